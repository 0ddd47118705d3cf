package access

import (
	"errors"
	"slices"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/similar"
)

// Groups finds groups by name or id.
func (v *View) Groups(names []string) ([]int32, error) {
	var out []int32
	for _, name := range names {
		g, err := v.group(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out, nil
}

func (v *View) group(name string) (int32, error) {
	if g, known := v.byGroup[name]; known {
		return g, nil
	}
	found, names := []int32{}, []string{}
	for g := range v.groups {
		if v.groups[g].name == name {
			found = append(found, int32(g))
		}
		names = append(names, v.groups[g].name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return 0, fault.Errorf(fault.Invalid, "", "", "%d groups are named %s: name one by its id, such as %s", len(found), name, v.groups[found[0]].id)
	}
	return 0, notFound("Open WebUI has no group "+name, "the groups it has are listed by: groupsyncd access report", name, names)
}

// notFound is an error about a name that nothing has, with the one that was probably meant.
func notFound(message, otherwise, name string, known []string) error {
	hint := otherwise
	if near := similar.Nearest(name, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return fault.New(fault.NotFound, "", "", errors.New(message), hint)
}

func (v *View) names(groups []int32) []string {
	out := []string{}
	for _, g := range groups {
		out = append(out, v.groups[g].name)
	}
	return out
}

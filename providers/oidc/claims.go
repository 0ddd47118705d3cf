package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"groupsyncd/directory"
)

// state is what a token says of its subject's groups. Only explicit covers anything.
type state int

const (
	// explicit is a value, and be it an empty list.
	explicit state = iota + 1
	// absent is a token without the claim, or with null.
	absent
	// overage is a claim that was left out because the person is in too many groups.
	overage
	// malformed is a value of a shape that has no meaning here.
	malformed
)

// reading is what was read from the groups claims of one token.
type reading struct {
	state  state
	groups []directory.Group
	// last is the last of the sets of claims from which something was taken.
	last int
	// why says what is not explicit.
	why string
}

// The bounds of one person's groups. Beyond one, nothing is covered.
const (
	maxGroups = 10_000
	maxName   = 1_000
)

// decode reads claims with their numbers as they are written.
func decode(payload []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil || claims == nil {
		return nil, errors.New("the claims are no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the claims")
	}
	return claims, nil
}

// readGroups reads the groups from all claims that hold some. Claims are united, so each
// of them has to be explicit: a part would look like the whole. Each is taken from the
// first of the sets that has it.
func readGroups(sets []map[string]any, paths []path, separator string, absentEmpty bool) reading {
	out := reading{state: explicit}
	seen := map[string]bool{}
	for _, p := range paths {
		r := reading{}
		for i, claims := range sets {
			if r = readClaim(claims, p, separator); r.state != absent {
				out.last = max(out.last, i)
				break
			}
		}
		if r.state == absent && absentEmpty {
			continue
		}
		if r.state != explicit {
			return reading{state: r.state, why: r.why}
		}
		for _, g := range r.groups {
			if !seen[g.ID] {
				seen[g.ID] = true
				out.groups = append(out.groups, g)
			}
		}
	}
	if len(out.groups) > maxGroups {
		return reading{state: malformed, why: fmt.Sprintf("the token names more than %d groups", maxGroups)}
	}
	return out
}

// readClaim reads one claim, in whichever of the shapes that providers use.
func readClaim(claims map[string]any, p path, separator string) reading {
	if exceeded(claims, p) {
		return reading{state: overage, why: fmt.Sprintf("the person is in too many groups for the claim %s (overage): the provider left it out; a directory source such as entra can read them", p.text)}
	}
	value, there, err := p.find(claims)
	switch {
	case err != nil:
		return reading{state: malformed, why: fmt.Sprintf("the claim %s cannot be read: %v", p.text, err)}
	case !there:
		return reading{state: absent, why: fmt.Sprintf("the token has no claim %s", p.text)}
	case value == nil:
		return reading{state: absent, why: fmt.Sprintf("the claim %s is null", p.text)}
	}
	groups, err := groupsOf(value, separator)
	if err != nil {
		return reading{state: malformed, why: fmt.Sprintf("the claim %s %v", p.text, err)}
	}
	return reading{state: explicit, groups: groups}
}

// exceeded reports whether Entra left the claim out because it would have been too large:
// a distributed claim (OpenID Connect Core 1.0, section 5.6.2) in place of the value, or
// hasgroups in the implicit flow. The address that such a token names is never called: it
// comes out of a token, and Entra's is switched off.
func exceeded(claims map[string]any, p path) bool {
	name := p.top(claims)
	if names, ok := claims["_claim_names"].(map[string]any); ok {
		if _, elsewhere := names[name]; elsewhere {
			return true
		}
	}
	if name != "groups" {
		return false
	}
	for key := range claims {
		if strings.HasPrefix(key, "groups:src") {
			return true
		}
	}
	_, there := claims[name]
	more := claims["hasgroups"]
	return !there && (more == true || more == "true")
}

// groupsOf reads a value that is there.
func groupsOf(value any, separator string) ([]directory.Group, error) {
	switch v := value.(type) {
	case string:
		return fromText(v, separator)
	case []any:
		return fromList(v)
	case map[string]any:
		return fromRoles(v)
	}
	return nil, fmt.Errorf("is %s", kindOf(value))
}

// fromText reads a text: one group, as ADFS writes it for somebody who is in one, or
// several with the separator that the configuration names. None is guessed, because
// names of groups have commas and spaces in them.
func fromText(text, separator string) ([]directory.Group, error) {
	if separator == "" {
		g, err := group(text, text, "")
		if err != nil {
			return nil, err
		}
		return []directory.Group{g}, nil
	}
	groups := []directory.Group{}
	for part := range strings.SplitSeq(text, separator) {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		g, err := group(part, part, "")
		if err != nil {
			return nil, err
		}
		if groups = append(groups, g); len(groups) > maxGroups {
			return nil, fmt.Errorf("has more than %d entries", maxGroups)
		}
	}
	return groups, nil
}

// fromList reads a list of texts, of whole numbers, or of objects.
func fromList(list []any) ([]directory.Group, error) {
	if len(list) > maxGroups {
		return nil, fmt.Errorf("has more than %d entries", maxGroups)
	}
	groups := make([]directory.Group, 0, len(list))
	for _, item := range list {
		if object, ok := item.(map[string]any); ok && !named(object) {
			roles, err := fromRoles(object)
			if err != nil {
				return nil, fmt.Errorf("has an entry that %w", err)
			}
			groups = append(groups, roles...)
			continue
		}
		g, err := fromItem(item)
		if err != nil {
			return nil, fmt.Errorf("has an entry that %w", err)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// The members of an object that is a group: its id, its name, its path.
var (
	idNames   = []string{"id", "value"}
	textNames = []string{"name", "display", "displayName"}
)

// named reports whether an object is a group with an id or a name.
func named(object map[string]any) bool {
	has := func(key string) bool {
		_, composite := object[key].(map[string]any)
		_, there := object[key]
		return there && !composite
	}
	return slices.ContainsFunc(idNames, has) || slices.ContainsFunc(textNames, has)
}

func fromItem(item any) (directory.Group, error) {
	object, ok := item.(map[string]any)
	if !ok {
		text, err := scalarText(item)
		if err != nil {
			return directory.Group{}, err
		}
		return group(text, text, "")
	}
	first := func(keys []string) (string, error) {
		for _, key := range keys {
			if v, there := object[key]; there {
				return scalarText(v)
			}
		}
		return "", nil
	}
	id, err := first(idNames)
	if err != nil {
		return directory.Group{}, err
	}
	name, err := first(textNames)
	if err != nil {
		return directory.Group{}, err
	}
	at, _ := object["path"].(string)
	if id == "" {
		id = name
	}
	if name == "" {
		name = id
	}
	return group(id, name, at)
}

// fromRoles reads an object whose keys are the groups, as Zitadel writes roles: under
// each the organizations that gave it. Any other object is none of a kind that we know,
// least of all an empty one.
func fromRoles(object map[string]any) ([]directory.Group, error) {
	if len(object) == 0 {
		return nil, errors.New("is an empty object")
	}
	if len(object) > maxGroups {
		return nil, fmt.Errorf("has more than %d entries", maxGroups)
	}
	groups := make([]directory.Group, 0, len(object))
	for key, value := range object {
		by, ok := value.(map[string]any)
		for _, domain := range by {
			if _, text := domain.(string); !text {
				ok = false
			}
		}
		if !ok || len(by) == 0 {
			return nil, errors.New("is an object of an unknown form: a claim inside it may be meant, written as a.b")
		}
		g, err := group(key, key, "")
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b directory.Group) int { return strings.Compare(a.ID, b.ID) })
	return groups, nil
}

// scalarText reads a text or a whole number.
func scalarText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		if _, whole := new(big.Int).SetString(v.String(), 10); whole && len(v) <= maxName {
			return v.String(), nil
		}
		return "", errors.New("is no whole number")
	}
	return "", fmt.Errorf("is %s", kindOf(value))
}

// group makes a group. The value of the claim is all that a provider gives, so that is
// the id. Of a path, as Keycloak writes it, the last part is the name, and the whole is
// what a rule selects by path.
func group(id, name, at string) (directory.Group, error) {
	for _, text := range []string{id, name, at} {
		if err := proper(text); err != nil {
			return directory.Group{}, err
		}
	}
	if id == "" || strings.TrimSpace(id) == "" || strings.TrimSpace(name) == "" {
		return directory.Group{}, errors.New("is empty")
	}
	g := directory.Group{ID: id, Name: name, Path: at}
	if strings.HasPrefix(name, "/") {
		if g.Path == "" {
			g.Path = name
		}
		if last := name[strings.LastIndexByte(name, '/')+1:]; strings.TrimSpace(last) != "" {
			g.Name = last
		}
	}
	return g, nil
}

// proper refuses what no name of a group or person holds.
func proper(text string) error {
	switch {
	case len(text) > maxName:
		return fmt.Errorf("is longer than %d bytes", maxName)
	case !utf8.ValidString(text), strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }):
		return errors.New("has a character that no name has")
	}
	return nil
}

// kindOf gives the word for a kind of JSON value.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case json.Number, float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	}
	return "an object"
}

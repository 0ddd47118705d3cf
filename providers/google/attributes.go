package google

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// field is where an attribute of people is kept: the unit, a field of their organisations, or
// a field of a custom schema.
type field struct {
	organization, schema, custom string
}

// parseField reads the words of the configuration.
func parseField(text string) (field, error) {
	word := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	parts := strings.Split(text, ".")
	for _, part := range parts {
		if !word.MatchString(part) {
			return field{}, fmt.Errorf("%q is no attribute that is read", text)
		}
	}
	switch {
	case text == "orgUnitPath":
		return field{}, nil
	case len(parts) == 2 && parts[0] == "organizations" && slices.Contains(organizationFields(), parts[1]):
		return field{organization: parts[1]}, nil
	case len(parts) == 3 && parts[0] == "customSchemas":
		return field{schema: parts[1], custom: parts[2]}, nil
	}
	return field{}, fmt.Errorf("%q is no attribute that is read", text)
}

// organizationFields are the fields of an organisation that are a text.
func organizationFields() []string {
	return []string{"costCenter", "department", "description", "domain", "location", "name", "symbol", "title"}
}

// values gives what an attribute of somebody holds.
func (f field) values(u *user) []string {
	switch {
	case f.organization != "":
		var found []string
		for _, o := range u.Organizations {
			found = append(found, o[f.organization].list...)
		}
		return tidy(found)
	case f.schema != "":
		return tidy(u.CustomSchemas[f.schema][f.custom].list)
	}
	return tidy([]string{u.OrgUnitPath})
}

// tidy takes out empty values and those that come twice.
func tidy(list []string) []string {
	var out []string
	for _, v := range list {
		if v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// values is a field whose type its schema decides: a text, a number, a yes or no, or a list of
// objects with a value. Anything else is an error, because a value that was not understood
// would look like one that is not there.
type values struct{ list []string }

// UnmarshalJSON reads one field.
func (v *values) UnmarshalJSON(data []byte) error {
	v.list = nil
	if one, ok := scalar(data); ok {
		v.list = one
		return nil
	}
	var many []struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &many); err != nil {
		return errValue
	}
	for _, item := range many {
		one, ok := scalar(item.Value)
		if !ok {
			return errValue
		}
		v.list = append(v.list, one...)
	}
	return nil
}

var errValue = errors.New("a field of a person is neither a value nor a list of values")

// scalar reads a text, a number or a yes or no; null is nothing.
func scalar(data []byte) ([]string, bool) {
	var value any
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil, false
	}
	switch value := value.(type) {
	case nil:
		return nil, true
	case string:
		return []string{value}, true
	case json.Number:
		return []string{value.String()}, true
	case bool:
		return []string{strconv.FormatBool(value)}, true
	}
	return nil, false
}

package file

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/directory"
)

const (
	csvHint    = "the first row names the columns: group and email, and if wanted username, name, disabled"
	csvCutHint = "a file with nobody in it is taken for one that was cut short; to say that nobody is left, use YAML"
)

// table reads a CSV file with one row per membership. A row without a group is a
// person in no group. The mail address is the person's id, the name a group's.
type table struct {
	*problems
	list    listing
	columns []string
	userAt  map[string]uint32
	groupAt map[string]uint32
	seen    []said
}

// said is what the rows so far said of a user, with the line that said it first; an
// empty cell says nothing.
type said struct{ username, name, disabled cell }

type cell struct {
	value string
	line  int
}

func parseCSV(data []byte, p *problems, live func() error) (*listing, error) {
	t := &table{problems: p, userAt: map[string]uint32{}, groupAt: map[string]uint32{}}
	r := csv.NewReader(bytes.NewReader(data))
	r.ReuseRecord = true
	for row := 0; ; row++ {
		if row%1000 == 0 {
			if err := live(); err != nil {
				return nil, err
			}
		}
		record, err := r.Read()
		if e, ok := errors.AsType[*csv.ParseError](err); ok {
			if !errors.Is(err, csv.ErrFieldCount) {
				p.add(e.Line, e.Column, "a quote inside a quoted value is written twice", "not CSV: %s", e.Err)
				return &t.list, nil
			}
			p.add(e.Line, 1, "", "the row has %d values, the first row %d", len(record), len(t.columns))
			continue
		}
		switch {
		case errors.Is(err, io.EOF):
			if p.total == 0 && row < 2 {
				p.add(1, 1, csvCutHint, "no row with a person")
			}
			return &t.list, nil
		case err != nil:
			return nil, err
		case row > 0:
			t.row(r, record)
		case !t.header(r, record):
			return &t.list, nil
		}
	}
}

// header reads the names of the columns.
func (t *table) header(r *csv.Reader, record []string) bool {
	for i, name := range record {
		name = strings.ToLower(strings.TrimSpace(name))
		line, column := r.FieldPos(i)
		switch {
		case !slices.Contains([]string{"group", "email", "username", "name", "disabled"}, name):
			t.add(line, column, csvHint, "unknown column %s", quoted(name))
		case slices.Contains(t.columns, name):
			t.add(line, column, "", "the column %s comes twice", name)
		}
		t.columns = append(t.columns, name)
	}
	for _, name := range []string{"group", "email"} {
		if !slices.Contains(t.columns, name) {
			t.add(1, 1, csvHint, "the column %s is missing", name)
		}
	}
	return t.total == 0
}

func (t *table) row(r *csv.Reader, record []string) {
	values := make(map[string]string, len(record))
	for i, v := range record {
		values[t.columns[i]] = strings.TrimSpace(v)
	}
	at := func(column string) (int, int) { return r.FieldPos(slices.Index(t.columns, column)) }
	email := values["email"]
	if strings.Count(email, "@") != 1 || strings.ContainsAny(email, " \t\r\n,;<>") || len(email) < 3 {
		line, column := at("email")
		t.add(line, column, "", "%s is not a mail address", quoted(email))
		return
	}
	id := directory.FoldEmail(email)
	n, known := t.userAt[id]
	if !known {
		n = uint32(len(t.list.users))
		t.userAt[id] = n
		t.list.users = append(t.list.users, directory.User{ID: id, Email: email})
		t.seen = append(t.seen, said{})
	}
	t.facts(n, values, at)
	t.join(values["group"], n)
}

// facts takes what a row says of a user; rows may repeat it but not contradict.
func (t *table) facts(n uint32, values map[string]string, at func(column string) (int, int)) {
	u, s := &t.list.users[n], &t.seen[n]
	for _, c := range []struct {
		column string
		before *cell
	}{{"username", &s.username}, {"name", &s.name}, {"disabled", &s.disabled}} {
		value := values[c.column]
		if value == "" {
			continue
		}
		line, column := at(c.column)
		if c.column == "disabled" {
			disabled, err := strconv.ParseBool(strings.ToLower(value))
			if err != nil {
				t.add(line, column, "", "disabled must be true or false, not %s", quoted(value))
				continue
			}
			value = strconv.FormatBool(disabled)
		}
		if c.before.line > 0 && c.before.value != value {
			t.add(line, column, "", "%s of %s is %s here and %s in line %d", c.column, quoted(values["email"]), quoted(value), quoted(c.before.value), c.before.line)
			continue
		}
		if c.before.line == 0 {
			*c.before = cell{value, line}
		}
		switch c.column {
		case "username":
			u.Username = value
		case "name":
			u.Name = value
		default:
			u.Disabled = value == "true"
		}
	}
}

// join makes a user a member of the group of that name.
func (t *table) join(name string, user uint32) {
	if name == "" {
		return
	}
	g, known := t.groupAt[name]
	if !known {
		g = uint32(len(t.list.groups))
		t.groupAt[name] = g
		t.list.groups = append(t.list.groups, directory.Group{ID: name, Name: name})
	}
	t.list.groups[g].Direct = append(t.list.groups[g].Direct, user)
}

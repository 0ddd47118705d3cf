package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"groupsyncd/permission"
	"groupsyncd/sync/run"
)

// MaxImport is how large a file of groups may be.
const MaxImport = 64 << 20

// maxMistakes is how many mistakes in a file are named.
const maxMistakes = 20

// ImportGroup is a group of a file, as an Open WebUI wrote it.
type ImportGroup struct {
	ID, Name string
	// Description is nil where the file does not say any.
	Description *string
	// Permissions is the tree as it is written, null as nil; Set has its switches, and Odd
	// what in it is no switch.
	Permissions json.RawMessage
	Set         permission.Set
	Odd         []string
	// Data has no note of ours: that is about the server that it comes from.
	Data json.RawMessage
	// Parent is an id of the other server, empty for the top level; nil: not said.
	Parent *string
	// Members are nil where the file does not say any; Mails are their mail addresses.
	Members []string
	Mails   map[string]string
	// Shared is what is shared with the group; nil: not said.
	Shared []run.SharedWith
	// Owner, Meta and CreatedAt cannot be written; Unknown are keys that we do not know, Marked
	// says that the group had a note of ours.
	Owner     string
	Meta      json.RawMessage
	CreatedAt json.Number
	Unknown   []string
	Marked    bool
}

// Mistake is something wrong in a file, and where; lines and columns are counted from 1.
type Mistake struct {
	Line, Column int
	Message      string
}

func (m *Mistake) String() string { return fmt.Sprintf("%d:%d: %s", m.Line, m.Column, m.Message) }

// Mistakes are all that is wrong in a file, as far as it is said.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].String()
	}
	return strings.Join(lines, "\n")
}

// ReadImport reads groups as an export or Open WebUI itself writes them. The error is
// Mistakes, in the order of the file.
func ReadImport(file []byte) ([]ImportGroup, error) {
	r := &importReader{file: file}
	var groups []ImportGroup
	if r.readable() {
		for _, v := range r.list(jsonAt{raw: file}, "a list of groups") {
			groups = append(groups, r.group(v))
		}
		r.twice(groups)
	}
	if len(r.mistakes) > 0 {
		slices.SortStableFunc(r.mistakes, func(a, b Mistake) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
		return nil, r.mistakes[:min(len(r.mistakes), maxMistakes)]
	}
	return groups, nil
}

type importReader struct {
	file     []byte
	mistakes Mistakes
	// starts are where the groups begin.
	starts []int
}

// jsonAt is a JSON value and where it stands in the file.
type jsonAt struct {
	raw []byte
	at  int
}

func (v jsonAt) kind() string {
	switch b := bytes.TrimLeft(v.raw, " \t\r\n"); {
	case len(b) == 0:
		return "nothing"
	case b[0] == '{':
		return "an object"
	case b[0] == '[':
		return "a list"
	case b[0] == '"':
		return "a text"
	case b[0] == 't', b[0] == 'f':
		return "true or false"
	case b[0] == 'n':
		return "null"
	}
	return "a number"
}

// wrong notes a mistake.
func (r *importReader) wrong(at int, format string, args ...any) {
	at = max(0, min(at, len(r.file)))
	for at < len(r.file) && strings.IndexByte(" \t\r\n", r.file[at]) >= 0 {
		at++
	}
	before := r.file[:at]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	r.mistakes = append(r.mistakes, Mistake{Line: line, Column: column, Message: fmt.Sprintf(format, args...)})
}

// readable reports whether the file is one JSON value, and notes why not.
func (r *importReader) readable() bool {
	switch {
	case len(r.file) > MaxImport:
		r.wrong(0, "the file has more than %d MiB", MaxImport>>20)
		return false
	case len(bytes.TrimSpace(r.file)) == 0:
		r.wrong(0, "the file is empty")
		return false
	case !utf8.Valid(r.file):
		at := 0
		for size := 0; at < len(r.file); at += size {
			var c rune
			if c, size = utf8.DecodeRune(r.file[at:]); c == utf8.RuneError && size == 1 {
				break
			}
		}
		r.wrong(at, "this is no UTF-8")
		return false
	}
	dec := json.NewDecoder(bytes.NewReader(r.file))
	var all json.RawMessage
	if err := dec.Decode(&all); err != nil {
		at := len(r.file)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = int(syntax.Offset) - 1
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends in the middle")
		}
		r.wrong(at, "this is no JSON: %s", err)
		return false
	}
	if rest := r.file[dec.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		r.wrong(int(dec.InputOffset()), "something follows the list")
		return false
	}
	return true
}

// list gives the elements of a list. What is no list is a mistake.
func (r *importReader) list(v jsonAt, what string) []jsonAt {
	if v.kind() != "a list" {
		hint := ""
		if v.at == 0 && v.kind() == "an object" {
			hint = "; put one group alone into [ ]"
		}
		r.wrong(v.at, "this must be %s, not %s%s", what, v.kind(), hint)
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(v.raw))
	_, _ = dec.Token() // The value was read as a whole before.
	out := []jsonAt{}
	for dec.More() {
		var one json.RawMessage
		if dec.Decode(&one) != nil {
			break
		}
		out = append(out, jsonAt{raw: one, at: v.at + int(dec.InputOffset()) - len(one)})
	}
	return out
}

// object gives the fields of an object. A key that stands there twice is a mistake.
func (r *importReader) object(v jsonAt, what string) (map[string]jsonAt, []string) {
	if v.kind() != "an object" {
		r.wrong(v.at, "%s must be an object, not %s", what, v.kind())
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(v.raw))
	_, _ = dec.Token() // As above.
	fields, order := map[string]jsonAt{}, []string{}
	for dec.More() {
		t, err := dec.Token()
		key, is := t.(string)
		at := v.at + int(dec.InputOffset())
		var one json.RawMessage
		if err != nil || !is || dec.Decode(&one) != nil {
			break
		}
		if _, twice := fields[key]; twice {
			r.wrong(at-1, "%s has the key %q twice", what, key)
		}
		fields[key] = jsonAt{raw: one, at: v.at + int(dec.InputOffset()) - len(one)}
		order = append(order, key)
	}
	return fields, order
}

// text gives a text. What is none is a mistake.
func (r *importReader) text(v jsonAt, key string) string {
	var text string
	if v.kind() != "a text" || json.Unmarshal(v.raw, &text) != nil {
		r.wrong(v.at, "%s must be a text, not %s", key, v.kind())
	}
	return text
}

// number gives a whole number as it is written.
func (r *importReader) number(v jsonAt, key string) json.Number {
	var n int64
	if v.kind() != "a number" || json.Unmarshal(v.raw, &n) != nil {
		r.wrong(v.at, "%s must be a whole number, not %s", key, v.kind())
	}
	return json.Number(v.raw)
}

func (r *importReader) group(v jsonAt) ImportGroup {
	var g ImportGroup
	r.starts = append(r.starts, v.at)
	fields, order := r.object(v, "a group")
	if fields == nil {
		return g
	}
	for _, key := range order {
		f := fields[key]
		null := f.kind() == "null"
		switch key {
		case "id":
			g.ID = r.text(f, key)
		case "name":
			g.Name = r.text(f, key)
		case "user_id":
			if !null {
				g.Owner = r.text(f, key)
			}
		case "description":
			if !null {
				text := r.text(f, key)
				g.Description = &text
			}
		case "parent_group_id":
			parent := ""
			if !null {
				parent = r.text(f, key)
			}
			g.Parent = &parent
		case "permissions":
			r.permissions(f, &g)
		case "data":
			r.data(f, &g)
		case "meta":
			if !null {
				r.object(f, key)
				g.Meta = f.raw
			}
		case "created_at":
			g.CreatedAt = r.number(f, key)
		case "updated_at", "member_count":
			if !null {
				r.number(f, key)
			}
		case "user_ids":
			g.Members = r.texts(f, key)
		case "users":
			g.Mails = r.users(f)
		case "access_grants":
			g.Shared = r.shared(f)
		default:
			g.Unknown = append(g.Unknown, key)
		}
	}
	if _, named := fields["name"]; !named || g.Name == "" && fields["name"].kind() == "a text" {
		r.wrong(v.at, "the group has no name")
	}
	slices.Sort(g.Unknown)
	return g
}

func (r *importReader) permissions(v jsonAt, g *ImportGroup) {
	if v.kind() == "null" {
		return
	}
	if fields, _ := r.object(v, "permissions"); fields == nil {
		return
	}
	var err error
	if g.Set, g.Odd, err = permission.Flatten(v.raw); err != nil {
		r.wrong(v.at, "permissions cannot be read: %s", err)
	}
	g.Permissions = v.raw
}

// data takes our note out: it is about the group that it was read from.
func (r *importReader) data(v jsonAt, g *ImportGroup) {
	if v.kind() == "null" {
		return
	}
	fields, _ := r.object(v, "data")
	if fields == nil {
		return
	}
	if config, named := fields["config"]; named && config.kind() != "null" {
		inner, _ := r.object(config, "data.config")
		if models, named := inner["default_models"]; named && models.kind() != "null" {
			r.texts(models, "data.config.default_models")
		}
	}
	_, g.Marked = fields[markKey]
	data := map[string]json.RawMessage{}
	for key, f := range fields {
		if key != markKey {
			data[key] = f.raw
		}
	}
	raw, err := json.Marshal(data)
	if err != nil {
		r.wrong(v.at, "data cannot be read: %s", err)
	}
	g.Data = raw
}

// markKey is where our note stands in the data of a group.
const markKey = "groupsyncd"

func (r *importReader) texts(v jsonAt, key string) []string {
	out, seen := []string{}, map[string]bool{}
	for _, one := range r.list(v, "a list of texts") {
		text := r.text(one, "each of "+key)
		if text == "" && one.kind() == "a text" {
			r.wrong(one.at, "each of %s must be a text that is not empty", key)
		}
		if !seen[text] {
			out = append(out, text)
		}
		seen[text] = true
	}
	return out
}

func (r *importReader) users(v jsonAt) map[string]string {
	mails := map[string]string{}
	for _, one := range r.list(v, "a list of objects") {
		fields, _ := r.object(one, "each of users")
		if fields == nil {
			continue
		}
		id, idNamed := fields["id"]
		mail, mailNamed := fields["email"]
		if !idNamed || !mailNamed {
			r.wrong(one.at, "each of users must have an id and an email")
			continue
		}
		mails[r.text(id, "id")] = r.text(mail, "email")
	}
	return mails
}

func (r *importReader) shared(v jsonAt) []run.SharedWith {
	out := []run.SharedWith{}
	for _, one := range r.list(v, "a list of objects") {
		fields, _ := r.object(one, "each of access_grants")
		if fields == nil {
			continue
		}
		var s run.SharedWith
		for _, p := range []struct {
			key string
			to  *string
		}{{"type", &s.Type}, {"id", &s.ID}, {"name", &s.Name}, {"permission", &s.Permission}} {
			f, named := fields[p.key]
			switch {
			case named:
				*p.to = r.text(f, p.key)
			case p.key != "name":
				r.wrong(one.at, "each of access_grants must have a %s", p.key)
			}
		}
		if f, named := fields["type"]; named && !slices.Contains(ResourceTypes(), s.Type) {
			r.wrong(f.at, "type must be one of %s, not %q", strings.Join(ResourceTypes(), ", "), s.Type)
		}
		if f, named := fields["permission"]; named && s.Permission != Read && s.Permission != Write {
			r.wrong(f.at, "permission must be read or write, not %q", s.Permission)
		}
		out = append(out, s)
	}
	return out
}

// twice notes groups with an id that another one has.
func (r *importReader) twice(groups []ImportGroup) {
	seen := map[string]bool{}
	for i := range groups {
		if id := groups[i].ID; id != "" && seen[id] {
			r.wrong(r.starts[i], "another group has the id %q too", id)
		}
		seen[groups[i].ID] = true
	}
}

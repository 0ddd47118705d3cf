package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
)

// Options say how a file is read.
type Options struct {
	// File is the name shown in messages.
	File string
	// Dir is the folder to which relative files belong, an absolute path.
	Dir string
	// Registry lists the kinds of sources.
	Registry providers.Registry
	// Hooks lists the kinds of webhooks. One that is missing is not checked closely.
	Hooks []HookKind
	// CheckNotice says what is wrong with the templates of a notice. Nil accepts any text.
	CheckNotice func(title, body string) error
	// CheckSchedule says what is wrong with a schedule. Nil accepts any text.
	CheckSchedule func(spec string) error
	// Interval gives the time between two starts of a schedule. Nil: nothing is compared
	// with it.
	Interval func(spec string) time.Duration
}

// maxSize bounds a configuration file; large ones have a few hundred kilobytes.
const maxSize = 4 << 20

// Find gives the file to read: flag, $GROUPSYNCD_CONFIG, ./groupsyncd.yaml, or
// /etc/groupsyncd/groupsyncd.yaml. The first two are taken as they are; of the others
// the first that exists. It fails with kind Invalid when there is none.
func Find(flag string, getenv func(string) string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if name := getenv("GROUPSYNCD_CONFIG"); name != "" {
		return name, nil
	}
	usual := []string{"groupsyncd.yaml", "/etc/groupsyncd/groupsyncd.yaml"}
	for _, name := range usual {
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	return "", fault.New(fault.Invalid, "find configuration", "",
		fmt.Errorf("there is neither ./%s nor %s", usual[0], usual[1]),
		"name a file with --config FILE or GROUPSYNCD_CONFIG, or start with: groupsyncd config init > groupsyncd.yaml")
}

// LoadFile reads the file of that name; File and Dir of the options come from it.
// See Load.
func LoadFile(name string, opts Options) (*Config, error) {
	const op = "read configuration"
	data, err := readFile(name)
	if err != nil {
		hint := ""
		switch {
		case errors.Is(err, fs.ErrNotExist):
			hint = "name another file with --config FILE, or start with: groupsyncd config init > " + name
		case errors.Is(err, fs.ErrPermission):
			hint = "the user that runs groupsyncd must be able to read it"
		}
		return nil, fault.New(fault.Invalid, op, name, reason(err), hint)
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, name, err, "")
	}
	opts.File, opts.Dir = name, filepath.Dir(full)
	return Load(data, opts)
}

func readFile(name string) (data []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

// reason takes the operation and name off an error of the file system, since the
// message says both already.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Load reads a configuration. The error is Problems: everything that is wrong, in the
// order of the file.
func Load(data []byte, opts Options) (*Config, error) {
	if opts.File == "" {
		opts.File = "groupsyncd.yaml"
	}
	d := &decoder{opts: opts, at: newPlaces(), sets: map[*Permissions][]path{}, values: map[string]bool{}, known: map[*yaml.Node]bool{}}
	root := d.parse(data)
	if root == nil {
		return nil, d.problems.sorted()
	}
	d.budget = d.count(root) + maxExpansion
	c := defaults()
	d.value(root, reflect.ValueOf(c).Elem(), nil, nil)
	if !d.at.bad[path(nil).key()] { // else next to nothing was read
		d.check(c)
	}
	if len(d.problems) > 0 {
		return nil, d.hidden(d.problems).sorted()
	}
	c.file, c.sum, c.at, c.warnings = opts.File, sha256.Sum256(data), d.at, d.hidden(d.warnings).sorted()
	bind(c, opts.Dir)
	return c, nil
}

// parse reads the text into the tree of its only document, or reports why not.
func (d *decoder) parse(data []byte) *yaml.Node {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	fail := func(at position, message, hint string) *yaml.Node {
		d.add(&d.problems, at, nil, message, hint)
		return nil
	}
	if len(data) > maxSize {
		return fail(position{1, 1}, "the file is larger than 4 MiB", "is this the right file?")
	}
	if at, ok := notText(data); ok {
		return fail(at, "this is not text in UTF-8", "save the file as UTF-8")
	}
	var documents []yaml.Node
	if err := yaml.Load(data, &documents, yaml.WithAllDocuments()); err != nil {
		at, message, hint := syntaxError(err, data)
		return fail(at, message, hint)
	}
	switch {
	case len(documents) == 0 || len(documents[0].Content) == 0 || isNull(documents[0].Content[0]) && len(documents) == 1:
		return fail(position{1, 1}, "the file is empty", "a source, a target and one rule are needed: groupsyncd config init prints a start")
	case len(documents) > 1:
		return fail(position{documents[1].Line, documents[1].Column}, "a second document begins here", "a configuration is one document: remove the line ---")
	}
	return documents[0].Content[0]
}

// notText finds the first byte that is no UTF-8, or no character of a text.
func notText(data []byte) (position, bool) {
	line, column := 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 || r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f {
			return position{line, column}, true
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
		data = data[size:]
	}
	return position{}, false
}

// syntaxError words an error of the yaml library, whose own text may repeat what
// stands in the file.
func syntaxError(err error, data []byte) (at position, message, hint string) {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return position{1, 1}, "this is not valid YAML", ""
	}
	at = position{max(e.Mark.Line, 1), max(e.Mark.Column, 1)}
	opened := ""
	if e.ContextMark.Line > 0 && e.ContextMark.Line != at.line {
		opened = fmt.Sprintf(" (it began in line %d)", e.ContextMark.Line)
	}
	switch text := e.Message; {
	case strings.Contains(text, "tab character"), indentedByTab(data, at.line):
		return at, "a tab stands where YAML wants spaces", "indent with spaces"
	case strings.Contains(text, "mapping values are not allowed"):
		return at, "a second colon in one line", `put a text with a colon and a space in it into quotes: "a: b"`
	case strings.Contains(text, "could not find expected ':'"):
		if e.ContextMark.Line > 0 {
			at = position{e.ContextMark.Line, max(e.ContextMark.Column, 1)}
		}
		return at, "a key without a colon and a space behind it", "write key: value, with a space"
	case strings.Contains(text, "cannot start any token"):
		return at, "a text must not begin with this character", "put the text into quotes"
	case strings.Contains(text, "unknown anchor"):
		return at, "an alias (*) without an anchor (&) of that name before it", "put a text that begins with * into quotes"
	case strings.Contains(text, "unknown escape"):
		return at, "an unknown escape in a text in double quotes", `use single quotes, or write \\ for a backslash`
	case strings.Contains(text, "unexpected end of stream"):
		return at, "the file ends in the middle of a quoted text" + opened, "close the quote"
	case strings.Contains(text, "expected ',' or"):
		return at, "a [ or { is not closed, or a comma is missing" + opened, ""
	case strings.Contains(text, "did not find expected"):
		return at, "this line does not fit the lines above it" + opened, "check the indentation, and quotes and dashes"
	}
	return at, "this is not valid YAML" + opened, "check the indentation, quotes and brackets"
}

// indentedByTab says whether a line has a tab before its first character.
func indentedByTab(data []byte, line int) bool {
	lines := bytes.SplitN(data, []byte("\n"), line+1)
	if line < 1 || line > len(lines) {
		return false
	}
	text := lines[line-1]
	return bytes.ContainsRune(text[:len(text)-len(bytes.TrimLeft(text, " \t"))], '\t')
}

// count counts the values of the file and keeps those that no message may repeat.
func (d *decoder) count(n *yaml.Node) int {
	total := 1
	if n.Kind == yaml.ScalarNode {
		for word := range wordsOf(n.Value) {
			if suspicious(word) {
				d.values[word] = true
			}
		}
	}
	for _, c := range n.Content {
		total += d.count(c)
	}
	return total
}

// manyValues is with how many values each message is compared; in a file with more,
// whatever looks like a secret is taken out.
const manyValues = 1000

// hidden takes out of messages what looks like a secret, whoever worded them: values
// of the file, and users and passwords in addresses.
func (d *decoder) hidden(problems Problems) Problems {
	users := userInfo()
	for i := range problems {
		for _, text := range []*string{&problems[i].Message, &problems[i].Hint} {
			*text = users.ReplaceAllString(d.withoutValues(*text), "://…@")
		}
	}
	return problems
}

func (d *decoder) withoutValues(text string) string {
	values := maps.Keys(d.values)
	if len(d.values) > manyValues {
		values = wordsOf(text)
	}
	// The longest first: one value may be a part of another.
	for _, value := range slices.SortedFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) {
		if suspicious(value) {
			text = strings.ReplaceAll(text, value, "…")
		}
	}
	return text
}

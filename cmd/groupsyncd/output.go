package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"go.yaml.in/yaml/v4"

	"groupsyncd/internal/fault"
	"groupsyncd/server"
)

// shownLines is how many lines of a long table are shown without being asked for all.
const shownLines = 20

// print writes data in the chosen form; table writes it for people.
func (c *command) print(v any, table func()) error {
	switch c.output {
	case "json":
		return written(server.WriteJSON(c.Out, v))
	case "yaml":
		return c.printYAML(v)
	}
	table()
	return nil
}

// printYAML goes through JSON, so that both forms have the same names.
func (c *command) printYAML(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return written(err)
	}
	var tree yaml.Node
	if err := yaml.Unmarshal(b, &tree); err != nil {
		return written(err)
	}
	blockStyle(&tree)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&tree); err != nil {
		return written(err)
	}
	_, err = c.Out.Write(out.Bytes())
	return written(err)
}

// blockStyle takes the braces and quotes of JSON off a tree. The words that older readers
// of YAML take for true and false keep their quotes: a group may be called NO.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && slices.Contains([]string{"y", "yes", "on", "n", "no", "off"}, strings.ToLower(n.Value)) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}

// watched is a stream that remembers the first write that failed: a table that was cut by a
// full disk must not end like a whole one.
type watched struct {
	io.Writer
	err error
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

func written(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Unavailable, "write the output", "", err, "")
}

// harmless takes the characters that terminals obey out of a text: names come from
// directories, and from whoever may write there.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// line writes one line of a table or message for people.
func (c *command) line(format string, args ...any) {
	fmt.Fprintln(c.Out, harmless(fmt.Sprintf(format, args...)))
}

// cell writes a value so that it cannot leave its place in a table.
func cell(text string) string { return strings.Join(strings.FieldsFunc(harmless(text), breaks), " ") }

func breaks(r rune) bool { return r == '\n' || r == '\t' }

// table writes rows in aligned columns.
func (c *command) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, r := range rows {
		for i := range r {
			r[i] = cell(r[i])
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush() //nolint:errcheck,gosec // as in line
}

// plural writes a number with its noun; what follows the first word of the noun stays.
func plural(n int, noun string) string {
	first, rest, _ := strings.Cut(noun, " ")
	switch {
	case n == 1:
	case first == "person":
		first = "people"
	case strings.HasSuffix(first, "y"):
		first = strings.TrimSuffix(first, "y") + "ies"
	default:
		first += "s"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", n, first, rest))
}

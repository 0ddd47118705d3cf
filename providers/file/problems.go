package file

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"groupsyncd/internal/fault"
)

// maxShown is how many mistakes of a file an error lists; the others are counted.
const maxShown = 20

// maxQuoted is how many bytes of a value an error shows.
const maxQuoted = 64

// problems collects the mistakes of a file, so that all can be corrected at once.
type problems struct {
	path  string
	kind  fault.Kind
	lines []string
	hint  string
	total int
}

// add notes a mistake at a line and column from one; a column of zero is not known.
func (p *problems) add(line, column int, hint, format string, args ...any) {
	p.total++
	if p.hint == "" {
		p.hint = hint
	}
	if len(p.lines) == maxShown {
		return
	}
	place := fmt.Sprintf("%s:%d", p.path, line)
	if column > 0 {
		place += fmt.Sprintf(":%d", column)
	}
	p.lines = append(p.lines, place+": "+fmt.Sprintf(format, args...))
}

// err gives all mistakes as one error, or nil when there is none. The hint belongs
// to the first that has one.
func (p *problems) err() error {
	if p.total == 0 {
		return nil
	}
	text := strings.Join(p.lines, "\n")
	if more := p.total - len(p.lines); more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	kind := p.kind
	if kind == 0 {
		kind = fault.Invalid
	}
	return fault.New(kind, "read file", "", errors.New(text), p.hint)
}

// quoted shows a value of a file in an error, shortened where it is long.
func quoted(s string) string {
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// parse reads the content of a file in one of the formats. A result without an error
// is everything that the file says.
func parse(format, path string, data []byte, live func() error) (*listing, error) {
	p := &problems{path: path}
	if at := invalidUTF8(data); at >= 0 {
		line := 1 + bytes.Count(data[:at], []byte("\n"))
		p.add(line, at-bytes.LastIndexByte(data[:at], '\n'), "save the file as UTF-8", "the text is not UTF-8")
		return nil, p.err()
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if len(bytes.TrimSpace(data)) == 0 {
		p.add(1, 1, "", "the file says nothing")
		return nil, p.err()
	}
	read := parseYAML
	switch format {
	case JSON:
		read = parseJSON
	case CSV:
		read = parseCSV
	case LDIF:
		read = parseLDIF
	}
	list, err := read(data, p, live)
	if err != nil {
		return nil, err
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return list, nil
}

// invalidUTF8 finds the first byte that is not UTF-8, or gives -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	at := 0
	for {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n <= 1 {
			return at
		}
		at += n
	}
}

package file

import (
	"bytes"
	"encoding/base64"
	"strings"
)

const ldifHint = "the file holds content records as slapcat or ldapsearch -LLL write them"

// record is one entry of an LDIF file: its DN and its values by attribute in lower
// case.
type record struct {
	line   int
	dn     string
	values map[string][]value
}

// value is one value of an attribute and the line where it begins.
type value struct {
	text string
	line int
}

// ldifReader reads LDIF content records (RFC 2849). Records with mistakes are noted
// and left out.
type ldifReader struct {
	*problems
	data []byte
	line int // The number of the last line read.
	// begun says that the place for a version line has passed.
	begun bool
	// wanted are the attributes whose values are kept.
	wanted map[string]bool
}

// next reads one physical line without its end.
func (l *ldifReader) next() (string, bool) {
	if len(l.data) == 0 {
		return "", false
	}
	l.line++
	line := l.data
	if end := bytes.IndexByte(l.data, '\n'); end >= 0 {
		line, l.data = l.data[:end], l.data[end+1:]
	} else {
		l.data = nil
	}
	return string(bytes.TrimSuffix(line, []byte("\r"))), true
}

// logical reads one line with its continuations, which begin with a space, and gives
// the number of its first. Comments are skipped, continued ones too.
func (l *ldifReader) logical() (text string, line int, ok bool) {
	for {
		text, ok = l.next()
		if !ok {
			return "", l.line, false
		}
		line = l.line
		if len(l.data) > 0 && l.data[0] == ' ' && text != "" {
			var b strings.Builder
			b.WriteString(text)
			for len(l.data) > 0 && l.data[0] == ' ' {
				more, _ := l.next()
				b.WriteString(more[1:])
			}
			text = b.String()
		}
		if !strings.HasPrefix(text, "#") {
			return text, line, true
		}
	}
}

// record reads the next record that is in order; nil at the end of the file.
func (l *ldifReader) record() *record {
	for {
		text, line, ok := l.logical()
		switch {
		case !ok:
			return nil
		case text == "":
			continue
		}
		name, v, good := l.split(text, line)
		if name == "version" && good && !l.begun {
			// The first record may follow without an empty line.
			l.begun = true
			if v != "1" {
				l.add(line, 1, ldifHint, "version %s of LDIF is not known", quoted(v))
			}
			continue
		}
		l.begun = true
		r := &record{line: line, dn: v, values: map[string][]value{}}
		good = good && l.isDN(name, line)
		for {
			text, line, ok := l.logical()
			if !ok || text == "" {
				break
			}
			if good {
				good = l.attribute(r, text, line)
			}
		}
		if good {
			return r
		}
	}
}

// isDN reports whether a record begins as it should.
func (l *ldifReader) isDN(name string, line int) bool {
	switch name {
	case "dn":
		return true
	case "search", "result":
		l.add(line, 1, "call ldapsearch with -LLL, and use its output only when it ended without an error", "this is the report of ldapsearch, no record")
	default:
		l.add(line, 1, ldifHint, "a record begins with dn:, not with %s", quoted(name))
	}
	return false
}

// attribute reads one line of a record below its DN.
func (l *ldifReader) attribute(r *record, text string, line int) bool {
	name, v, ok := l.split(text, line)
	if !ok {
		return false
	}
	name, options, _ := strings.Cut(name, ";")
	switch {
	case name == "dn":
		l.add(line, 1, "records are set apart by an empty line", "a second dn in one record")
		return false
	case name == "changetype" || name == "control":
		l.add(line, 1, ldifHint, "this is a record of changes, not of an entry")
		return false
	case strings.HasPrefix(options, "range="):
		l.add(line, 1, "export with a tool that reads members in ranges", "the server gave only a part of the values: %s", quoted(name+";"+options))
		return false
	case options == "" && l.wanted[name]:
		r.values[name] = append(r.values[name], value{v, line})
	}
	return true
}

// split reads a line into the lower-case name of the attribute and its value.
func (l *ldifReader) split(text string, line int) (name, v string, ok bool) {
	name, v, found := strings.Cut(text, ":")
	if !found || name == "" || strings.ContainsAny(name, " \t") {
		l.add(line, 1, ldifHint, "not a line of LDIF: %s", quoted(text))
		return "", "", false
	}
	name = strings.ToLower(name)
	switch {
	case strings.HasPrefix(v, "<"):
		l.add(line, 1, "write the value itself", "the value of %s is in another file, which is not read", quoted(name))
		return "", "", false
	case strings.HasPrefix(v, ":"):
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(v[1:]))
		if err != nil {
			l.add(line, 1, "", "the value of %s is not base64", quoted(name))
			return "", "", false
		}
		return name, string(b), true
	}
	return name, strings.TrimLeft(v, " "), true
}

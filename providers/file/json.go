package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxDepth is how deep lists and objects of a JSON file may be nested; a good file
// needs five.
const maxDepth = 32

var errTooDeep = errors.New("blocks are nested too deeply")

// parseJSON reads exactly one JSON value. It is put into the nodes of the YAML
// library, which carry positions, so that both formats are read by the same code;
// the YAML parser itself would accept more than JSON and read some of it otherwise.
func parseJSON(data []byte, p *problems, live func() error) (*listing, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	j := &jsonReader{decoder: decoder, data: data, live: live, line: 1}
	root, err := j.value(0)
	end := int(decoder.InputOffset())
	if err == nil {
		_, err = decoder.Token()
		if err == nil {
			err = errors.New("something follows the end")
		} else if errors.Is(err, io.EOF) {
			return parseTree(root, p, live)
		}
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err, end = errors.New("the text ends too early"), len(data)
	}
	if stopped := live(); stopped != nil {
		return nil, stopped
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		end = int(e.Offset) - 1
	}
	line, column := j.position(j.skip(max(0, end)))
	p.add(line, column, "", "not JSON: %s", err)
	return &listing{}, nil
}

type jsonReader struct {
	decoder *json.Decoder
	data    []byte
	live    func() error
	// at, line and lineStart remember the last position asked for; positions only
	// grow, so that the text is walked through once.
	at, line, lineStart int
	count               int
}

// position gives line and column of an offset, both from one.
func (j *jsonReader) position(offset int) (line, column int) {
	for ; j.at < offset; j.at++ {
		if j.data[j.at] == '\n' {
			j.line++
			j.lineStart = j.at + 1
		}
	}
	return j.line, max(1, offset-j.lineStart+1)
}

// token reads one token and gives a node at its place.
func (j *jsonReader) token() (json.Token, *yaml.Node, error) {
	if j.count++; j.count%10000 == 0 {
		if err := j.live(); err != nil {
			return nil, nil, err
		}
	}
	start := int(j.decoder.InputOffset())
	token, err := j.decoder.Token()
	if err != nil {
		return nil, nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode}
	n.Line, n.Column = j.position(j.skip(start))
	return token, n, nil
}

// skip gives the offset of what comes next: the decoder does not count what stands
// between two tokens to either.
func (j *jsonReader) skip(offset int) int {
	for offset < len(j.data) && strings.IndexByte(" \t\r\n,:", j.data[offset]) >= 0 {
		offset++
	}
	return min(offset, len(j.data))
}

func (j *jsonReader) value(depth int) (*yaml.Node, error) {
	token, n, err := j.token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch v := token.(type) {
	case json.Delim:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		if v == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for j.decoder.More() {
			entry, err := j.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, entry)
		}
		_, _, err := j.token()
		return n, err
	case string:
		n.Tag, n.Value = "!!str", v
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
	case bool:
		n.Tag, n.Value = "!!bool", "false"
		if v {
			n.Value = "true"
		}
	default:
		n.Tag = "!!null"
	}
	return n, nil
}

package file

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v4"
)

// parseYAML reads exactly one document. Anchors are ignored, aliases refused: a file
// with aliases can grow without bounds when they are followed.
func parseYAML(data []byte, p *problems, live func() error) (*listing, error) {
	loader, err := yaml.NewLoader(&interruptible{data: bytes.NewReader(data), live: live})
	if err != nil {
		return nil, err
	}
	var document, second yaml.Node
	switch err := loader.Load(&document); {
	case live() != nil:
		return nil, live()
	case errors.Is(err, io.EOF):
		p.add(1, 1, treeHint, "the file says nothing")
		return &listing{}, nil
	case err != nil:
		p.syntax(err)
		return &listing{}, nil
	}
	if err := loader.Load(&second); err == nil {
		p.add(second.Line, second.Column, "", "a second document begins here, the file may hold one")
	} else if !errors.Is(err, io.EOF) {
		p.syntax(err)
	}
	root := &document
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	return parseTree(root, p, live)
}

// syntax notes what the YAML library says about a text it cannot read.
func (p *problems) syntax(err error) {
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		p.add(max(1, e.Mark.Line), e.Mark.Column, "", "not YAML: %s", e.Message)
		return
	}
	p.add(1, 1, "", "not YAML: %s", err)
}

// interruptible ends with an error when the call it belongs to is to end.
type interruptible struct {
	data *bytes.Reader
	live func() error
}

// Read reads on unless the call is to end.
func (r *interruptible) Read(b []byte) (int, error) {
	if err := r.live(); err != nil {
		return 0, err
	}
	return r.data.Read(b)
}

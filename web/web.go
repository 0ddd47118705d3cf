// Package web draws the status page: its templates, its one sheet of style, its one script
// and its drawing, all embedded.
//
// It gets what it shows from package server and asks nobody anything. Whatever it shows comes
// from directories and from whoever may write there, so every text is escaped by
// html/template, kept apart from its surroundings, and cut where it is too long.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets/*
var assets embed.FS

// Asset is a file that pages need beside themselves.
type Asset struct {
	Type string
	// ETag changes with the content, and so does the address under which pages ask for it.
	ETag string
	Data []byte
}

// Site has everything that pages are made of. It is safe for use by several goroutines.
type Site struct {
	pages  map[string]*template.Template
	parts  *template.Template
	assets map[string]Asset
	// at are the addresses of assets by their names.
	at map[string]string
}

// AssetPath is what the addresses of all assets begin with.
const AssetPath = "/assets/"

// New reads what is embedded.
func New() (*Site, error) {
	s := &Site{pages: map[string]*template.Template{}, assets: map[string]Asset{}, at: map[string]string{}}
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	files, err := fs.ReadDir(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("read the assets: %w", err)
	}
	for _, f := range files {
		data, err := assets.ReadFile("assets/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("read the assets: %w", err)
		}
		sum := sha256.Sum256(data)
		mark := base64.RawURLEncoding.EncodeToString(sum[:9])
		ext := path.Ext(f.Name())
		at := strings.TrimSuffix(f.Name(), ext) + "." + mark + ext
		s.assets[at] = Asset{Type: types[ext], ETag: `"` + mark + `"`, Data: data}
		s.at[f.Name()] = AssetPath + at
	}
	if err := s.parse(); err != nil {
		return nil, err
	}
	return s, nil
}

// parse reads the templates: each page stands in the frame of all.
func (s *Site) parse() error {
	frame, err := template.New("frame").Funcs(words()).Funcs(template.FuncMap{"asset": func(name string) string { return s.at[name] }}).
		ParseFS(templates, "templates/frame.html", "templates/parts.html")
	if err != nil {
		return fmt.Errorf("read the templates: %w", err)
	}
	s.parts = frame
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return fmt.Errorf("read the templates: %w", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".html")
		if name == "frame" || name == "parts" {
			continue
		}
		page, err := template.Must(frame.Clone()).ParseFS(templates, f)
		if err != nil {
			return fmt.Errorf("read the templates: %w", err)
		}
		s.pages[name] = page
	}
	return nil
}

// Asset gives a file by what follows AssetPath in its address.
func (s *Site) Asset(name string) (Asset, bool) {
	a, ok := s.assets[name]
	return a, ok
}

// Draw gives a page, which is named after its template, as a whole or not at all.
func (s *Site) Draw(name string, p *Page) ([]byte, error) {
	t := s.pages[name]
	if t == nil {
		return nil, fmt.Errorf("there is no page %s", name)
	}
	return execute(t, "frame", p)
}

// Going gives the part of a page that says which runs go on.
func (s *Site) Going(p *Page, v *GoingView) ([]byte, error) {
	return execute(s.parts, "going", pair{P: p, V: v})
}

func execute(t *template.Template, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("draw the page: %w", err)
	}
	return b.Bytes(), nil
}

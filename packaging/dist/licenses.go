package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// licenseFile is how authors call the files with the terms that have to go along with
// their code.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)(\.(md|txt))?$`)

// licenses collects the terms of everything that is in the program.
func (m *maker) licenses(ctx context.Context, program, file string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	root, err := run(ctx, m.tree, m.env, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	goroot := strings.TrimSpace(string(root))
	terms, err := os.ReadFile(filepath.Join(goroot, "LICENSE"))
	if err != nil {
		return err
	}
	fmt.Fprintf(&out, "==> std %s: LICENSE\n\n%s\n", info.GoVersion, terms)
	folders, err := m.folders(ctx, info.Deps)
	if err != nil {
		return err
	}
	for _, module := range info.Deps {
		if err := appendTerms(&out, module, folders[module.Path]); err != nil {
			return err
		}
	}
	return writeGzip(file, out.Bytes())
}

// folders says where the toolchain keeps the modules.
func (m *maker) folders(ctx context.Context, modules []*debug.Module) (map[string]string, error) {
	args := []string{"list", "-m", "-f", "{{.Path}} {{.Dir}}"}
	for _, module := range modules {
		args = append(args, module.Path)
	}
	out, err := run(ctx, m.tree, m.env, "go", args...)
	if err != nil {
		return nil, err
	}
	folders := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, folder, _ := strings.Cut(strings.TrimSpace(line), " ")
		folders[path] = folder
	}
	return folders, nil
}

func appendTerms(out *bytes.Buffer, module *debug.Module, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("license of %s: %w", module.Path, err)
	}
	found := slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.IsDir() || !licenseFile.MatchString(e.Name()) })
	if len(found) == 0 {
		return fmt.Errorf("%s has no license file in %s", module.Path, folder)
	}
	for _, entry := range found {
		terms, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "==> %s %s: %s\n\n%s\n", module.Path, module.Version, entry.Name(), terms)
	}
	return nil
}

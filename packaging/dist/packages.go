package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // nfpm finds its kinds of package by their import
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// pack makes a package of packaging/nfpm/nfpm.yaml and what lies in folder.
func (m *maker) pack(kind, arch, folder string) error {
	text, err := os.ReadFile(filepath.Join(m.tree, "packaging", "nfpm", "nfpm.yaml"))
	if err != nil {
		return err
	}
	// nfpm itself replaces words of the environment in some places only.
	config, err := nfpm.Parse(strings.NewReader(os.Expand(string(text), func(name string) string {
		return map[string]string{"ROOT": m.tree, "BUILD": folder, "VERSION": m.version, "ARCH": arch}[name]
	})))
	if err != nil {
		return fmt.Errorf("read nfpm.yaml: %w", err)
	}
	info, err := config.Get(kind)
	if err != nil {
		return err
	}
	info.MTime = m.time
	for _, content := range info.Contents {
		if content.FileInfo != nil {
			content.FileInfo.MTime = m.time
		}
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.PrepareForPackager(info, kind); err != nil {
		return err
	}
	packager, err := nfpm.Get(kind)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(m.out, packager.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	return errors.Join(packager.Package(info, f), f.Close())
}

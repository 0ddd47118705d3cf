package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// source is what is built.
type source struct {
	root, version, revision string
	// time is that of the commit. It stands wherever a file needs a time.
	time time.Time
}

// findSource asks git about the source around the working folder.
func findSource(ctx context.Context, o options) (*source, error) {
	git := func(args ...string) (string, error) {
		out, err := run(ctx, "", nil, "git", args...)
		return strings.TrimSpace(string(out)), err
	}
	root, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	about, err := git("show", "-s", "--format=%H %ct", "HEAD")
	if err != nil {
		return nil, err
	}
	revision, seconds, _ := strings.Cut(about, " ")
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("time of the commit: %w", err)
	}
	changed, err := git("-C", root, "status", "--porcelain")
	if err != nil {
		return nil, err
	}
	if changed != "" && !o.here {
		return nil, fmt.Errorf("the work tree differs from the commit; commit first, or try it with -here:\n%s", changed)
	}
	if o.version == "" {
		out, err := run(ctx, root, nil, "go", "run", "./internal/release", "version")
		if err != nil {
			return nil, err
		}
		o.version = strings.TrimSpace(string(out))
	}
	if o.version == "" || strings.HasPrefix(o.version, "v") {
		return nil, fmt.Errorf("%q is no version: it is like 1.2.3", o.version)
	}
	return &source{root: root, version: o.version, revision: revision, time: time.Unix(at, 0).UTC()}, nil
}

// attempt is one build, and how its surroundings differ from those of another.
type attempt struct {
	work, zone string
	umask      int
	// fresh starts with an empty build cache, and with files of other times.
	fresh bool
}

// tree gives the folder with the source that an attempt builds.
func (a *attempt) tree(ctx context.Context, src *source, here bool) (string, error) {
	if here {
		return src.root, nil
	}
	tree := filepath.Join(a.work, "source")
	if _, err := run(ctx, "", nil, "git", "clone", "--quiet", "--no-checkout", src.root, tree); err != nil {
		return "", err
	}
	if _, err := run(ctx, tree, nil, "git", "-c", "advice.detachedHead=false", "checkout", "--quiet", src.revision); err != nil {
		return "", err
	}
	if !a.fresh {
		return tree, nil
	}
	return tree, a.disturb(tree)
}

// disturb gives files times and modes that a clone on another day might have. git looks at
// files whose times changed once more, so it still finds nothing that differs.
func (a *attempt) disturb(tree string) error {
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	return filepath.WalkDir(tree, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		return errors.Join(os.Chmod(path, info.Mode().Perm()&^os.FileMode(a.umask)), os.Chtimes(path, at, at))
	})
}

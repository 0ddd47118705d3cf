package image

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"groupsyncd/packaging/test/program"
)

// stages parses the Dockerfile as docker buildx does, with its linter.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(program.Root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	ast, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, description, _, message string, _ []parser.Range) {
		t.Errorf("%s: %s (%s)", rule, message, description)
	}})
	for _, w := range ast.Warnings {
		t.Errorf("the Dockerfile: %s", w.Short)
	}
	s, _, err := instructions.Parse(ast.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// one gives the only instruction of a kind in a stage.
func one[T any](t *testing.T, s *instructions.Stage) T {
	t.Helper()
	var found []T
	for _, c := range s.Commands {
		if v, ok := c.(T); ok {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d of %T", len(found), *new(T))
	}
	return found[0]
}

// The image is empty but for what one script makes, which is the one that the proof without
// an engine runs too.
func TestImageIsWhatTheScriptMakes(t *testing.T) {
	t.Parallel()
	s := stages(t)
	if len(s) != 2 || s[1].BaseName != "scratch" {
		t.Fatalf("%d stages, on %s", len(s), s[len(s)-1].BaseName)
	}
	var runs []string
	for _, c := range s[0].Commands {
		if run, ok := c.(*instructions.RunCommand); ok {
			runs = append(runs, strings.Join(run.CmdLine, " "))
		}
	}
	if want := []string{"go mod download", "packaging/container/rootfs.sh /out"}; !slices.Equal(runs, want) {
		t.Errorf("the builder runs %q", runs)
	}
	var copies [][]string
	for _, c := range s[1].Commands {
		switch c := c.(type) {
		case *instructions.RunCommand, *instructions.AddCommand:
			t.Errorf("the image has more in it: %s", c)
		case *instructions.CopyCommand:
			copies = append(copies, []string{c.From, c.Chown, c.SourcePaths[0], c.DestPath})
		}
	}
	want := [][]string{{"build", "", "/out/root/", "/"}, {"build", "65532:65532", "/out/state/", "/var/lib/"}}
	if !slices.EqualFunc(copies, want, slices.Equal[[]string]) {
		t.Errorf("the image gets %q", copies)
	}
}

// Who starts it gets a daemon without rights, which can be asked how it is and be stopped.
func TestImageSaysHowItIsRun(t *testing.T) {
	t.Parallel()
	image := &stages(t)[1]
	if u := one[*instructions.UserCommand](t, image).User; u != "65532:65532" {
		t.Errorf("the user is %s", u)
	}
	if v := one[*instructions.VolumeCommand](t, image).Volumes; !slices.Equal(v, []string{"/var/lib/groupsyncd"}) {
		t.Errorf("the volume is %q", v)
	}
	if s := one[*instructions.StopSignalCommand](t, image).Signal; s != "SIGTERM" {
		t.Errorf("it is stopped by %s", s)
	}
	h := one[*instructions.HealthCheckCommand](t, image).Health
	if !slices.Equal(h.Test, []string{"CMD", "/usr/bin/groupsyncd", "healthcheck"}) {
		t.Errorf("its health is asked by %q", h.Test)
	}
	entry, cmd := one[*instructions.EntrypointCommand](t, image), one[*instructions.CmdCommand](t, image)
	if !slices.Equal(entry.CmdLine, []string{"/usr/bin/groupsyncd"}) || !slices.Equal(cmd.CmdLine, []string{"serve"}) || entry.PrependShell || cmd.PrependShell {
		t.Errorf("it runs %q %q", entry.CmdLine, cmd.CmdLine)
	}
	labels := map[string]bool{}
	for _, l := range one[*instructions.LabelCommand](t, image).Labels {
		labels[l.Key] = true
	}
	for _, want := range []string{"title", "description", "licenses", "version", "revision"} {
		if !labels["org.opencontainers.image."+want] {
			t.Errorf("no label %s", want)
		}
	}
}

// The builder is sent every file that the program is made of, and neither tests nor a state
// or a secret that lies about.
func TestBuilderGetsWhatItNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	ignored := ignoring(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "timetzdata", "-json=Dir,Module,GoFiles,EmbedFiles", "./cmd/groupsyncd")
	cmd.Dir, cmd.Env = program.Root, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(program.Root)
	if err != nil {
		t.Fatal(err)
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		t.Fatal(err)
	}
	files := []string{"go.mod", "go.sum", "packaging/container/rootfs.sh"}
	for list := json.NewDecoder(bytes.NewReader(out)); list.More(); {
		var p struct {
			Dir                 string
			Module              *struct{ Main bool }
			GoFiles, EmbedFiles []string
		}
		if err := list.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		folder, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			files = append(files, filepath.ToSlash(filepath.Join(folder, name)))
		}
	}
	if len(files) < 200 {
		t.Fatalf("the program has only %d files", len(files))
	}
	for _, name := range files {
		if ignored(name) {
			t.Errorf(".dockerignore leaves out %s, without which the program does not build", name)
		}
	}
	for _, name := range []string{
		".git/config", "state.db", "secrets/openwebui", "groupsyncd", "docs/operating.md", "test/peers/run",
		"packaging/compose/compose.yaml", "cmd/groupsyncd/main_test.go", "config/testdata/x.yaml",
	} {
		if !ignored(name) {
			t.Errorf("the builder gets %s", name)
		}
	}
	t.Logf("%d files", len(files))
}

// ignoring says of a path whether .dockerignore leaves it out.
func ignoring(t *testing.T) func(string) bool {
	t.Helper()
	f, err := os.Open(filepath.Join(program.Root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was read
	lines, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	patterns, err := patternmatcher.New(lines)
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) bool {
		out, err := patterns.MatchesOrParentMatches(name)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

package alike

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/providers"
	"groupsyncd/providers/all"
	"groupsyncd/providers/providertest"
	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
)

// house is a directory of one kind, and the Open WebUI of those who live in it.
type house struct {
	*testing.T
	dir  string
	chat *openwebuitest.Server
	app  *app.App
	// begin is called when the program is open, where the directory needs that.
	begin func(providers.Source)
}

// kind is one kind of source.
type kind struct {
	// flat kinds know no groups in groups.
	flat bool
	// open starts a directory with this world. It gives the keys of the source, as a block of
	// the configuration or as a ready one, and what gives the directory another world.
	open func(h *house, w providertest.World) (block string, ready providers.Config, change func(providertest.World))
}

// told is everything that may not depend on the kind of source.
type told struct {
	Chapter string
	// Changes are what was done, Members who is in which group afterwards.
	Changes, Members []string
	Exit             int
}

func TestTheSameDirectoryGivesTheSameWhateverItIsReadBy(t *testing.T) {
	t.Parallel()
	want := first(t)
	for _, name := range all.Registry().Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, there := kinds()[name]
			if !there {
				t.Fatal("this kind of source does not take part")
			}
			if diff := cmp.Diff(want, tell(t, name, k)); diff != "" {
				t.Errorf("it differs from what the story says (-story +%s):\n%s", name, diff)
			}
		})
	}
}

// tell plays the whole story with one kind of source.
func tell(t *testing.T, name string, k kind) []told {
	t.Helper()
	h := &house{T: t, dir: t.TempDir()}
	h.chat = openwebuitest.NewTest(t, openwebuitest.Options{Key: apiKey})
	for n := range names() {
		if n != nora {
			h.chat.AddAccount(openwebuitest.Account{Email: mail(n), Name: names()[n]})
		}
	}
	chapters := story()
	block, ready, change := k.open(h, chapters[0].world(k.flat))
	h.write("key", apiKey)
	h.start(name, block, ready)
	var out []told
	for i := range chapters {
		if i > 0 {
			change(chapters[i].world(k.flat))
		}
		out = append(out, h.read(chapters[i].title))
	}
	return out
}

const apiKey = "sk-alike-0123456789"

func (h *house) write(name, text string) string {
	h.Helper()
	file := filepath.Join(h.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
	return file
}

// start opens the program on a source of this kind. A ready configuration takes the place of
// the empty one of its kind.
func (h *house) start(name, block string, ready providers.Config) {
	h.Helper()
	registry := all.Registry()
	if ready != nil {
		at := slices.IndexFunc(registry, func(t providers.Type) bool { return t.Name == name })
		registry[at].New = func() providers.Config { return ready }
	}
	file := h.write("groupsyncd.yaml", fmt.Sprintf(`state: state
sources:
  it: {type: %s, lag: 0s, schedule: every 24h%s}
targets:
  chat: {type: openwebui, url: %q, api_key: file:key, watch: off}
rules: [{match: "*"}]
server: {admin: {listen: ""}, public: {listen: "127.0.0.1:0"}}
`, name, block, h.chat.URL))
	text, err := os.ReadFile(file)
	if err != nil {
		h.Fatal(err)
	}
	cfg, err := config.Load(text, config.Options{File: file, Dir: h.dir, Registry: registry})
	if err != nil {
		h.Fatal(err)
	}
	caught := &caught{Config: cfg.Sources[0].Config}
	if h.begin != nil {
		cfg.Sources[0].Config = caught
	}
	h.app, err = app.New(h.Context(), app.Options{File: file, Config: cfg, Logger: slog.New(slog.NewTextHandler(h.Output(), nil))})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		if err := h.app.Close(); err != nil {
			h.Error(err)
		}
	})
	if h.begin != nil {
		h.begin(caught.source)
	}
}

// caught is a configuration whose source is needed itself.
type caught struct {
	providers.Config
	source providers.Source
}

func (c *caught) Open(o providers.Options) (source providers.Source, err error) {
	c.source, err = c.Config.Open(o)
	return c.source, err
}

// read has the program read the directory, and says what that led to.
func (h *house) read(chapter string) told {
	h.Helper()
	report, err := h.app.Run(h.Context(), run.Request{Trigger: run.Manual, Mode: run.Apply}, nil)
	if err != nil {
		h.Fatal(err)
	}
	t := told{Chapter: chapter, Exit: report.Exit}
	for _, c := range report.Targets[0].Changes {
		line := string(c.Op) + " " + c.GroupName()
		if c.User != nil {
			line += " " + c.User.Email
		}
		t.Changes = append(t.Changes, strings.TrimSpace(line+" "+c.Absence)+": "+string(c.Outcome))
	}
	slices.Sort(t.Changes)
	mails := map[string]string{}
	for _, a := range h.chat.Accounts() {
		mails[a.ID] = a.Email
	}
	in := map[string][]string{}
	for _, g := range h.chat.Groups() {
		for _, id := range g.Members {
			in[g.Name] = append(in[g.Name], mails[id])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		slices.Sort(in[name])
		t.Members = append(t.Members, name+": "+strings.Join(in[name], " "))
	}
	return t
}

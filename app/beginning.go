package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"groupsyncd/config"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/scalar"
	"groupsyncd/internal/secret"
	"groupsyncd/target/openwebui"
)

// Beginning is what a first configuration is made from.
type Beginning struct {
	// URL is the address of an Open WebUI, Key the reference to the key of an
	// administrator there, as it is to stand in the file.
	URL string
	Key secret.Ref
	// CAFile names certificates to trust beside those of the system, or is empty.
	CAFile string
	// Dir is the folder of the file that is made, to which relative names belong.
	Dir    string
	Logger *slog.Logger
}

// Begin makes a first configuration from the sign-in settings of an Open WebUI. It is loaded
// once before it is given away, and plans only. Nothing secret is in it: what must be kept
// in files is named, with what to write there.
func Begin(ctx context.Context, b *Beginning) ([]byte, error) {
	client, err := openwebui.New(openwebui.Options{Name: "chat", URL: b.URL, APIKey: b.Key.In(b.Dir).Read, CAFile: string(scalar.Path(b.CAFile).In(b.Dir)), Logger: b.Logger,
		Retry: httpx.Retry{Tries: 2, First: 100 * time.Millisecond}}) // Somebody waits for it.
	if err != nil {
		return nil, err
	}
	defer client.Close()
	settings, err := client.SignInSettings(ctx)
	if err != nil {
		return nil, err
	}
	text := begin(b, settings)
	opts := loadOptions()
	opts.File, opts.Dir = "the new configuration", b.Dir
	if _, err := config.Load(text, opts); err != nil {
		return nil, fault.New(fault.Damaged, "make a configuration", b.URL, fmt.Errorf("what Open WebUI says does not become a valid one: %w", err),
			"start with: groupsyncd config init, and report this")
	}
	return text, nil
}

// beginning is a configuration that is being written.
type beginning struct {
	settings *openwebui.SignInSettings
	sources  []begunSource
	// files are the secrets to keep, by name, and what belongs into them.
	files map[string]string
	// off are switches of Open WebUI that work against us, and unread what is not known.
	off, unread []string
}

// begunSource is one block below sources.
type begunSource struct {
	name  string
	lines []string
	// blocked are group names that its rule leaves out.
	blocked []string
}

func begin(b *Beginning, s *openwebui.SignInSettings) []byte {
	w := &beginning{settings: s, files: map[string]string{}}
	w.ldap()
	w.oauth()
	w.distinct()
	w.notices()
	if len(w.sources) == 0 {
		w.none()
	}
	var out []string
	add := func(lines ...string) { out = append(out, lines...) }
	add("# A configuration to begin with, from what Open WebUI "+plainWords(s.Version)+" at "+plainWords(b.URL),
		"# says about its own sign-in. It only plans: nothing is changed while mode is plan.",
		"# Change what is marked with CHANGE, then try it:",
		"#", "#     groupsyncd config validate", "#     groupsyncd doctor", "#     groupsyncd plan", "#",
		"# docs/from-open-webui.md says which setting of Open WebUI is which key here.")
	if len(w.files) > 0 {
		add("#", "# Make these files, which groupsyncd alone may read (chmod 600):")
		for _, name := range slices.Sorted(maps.Keys(w.files)) {
			add(fmt.Sprintf("#     %-26s %s", name, w.files[name]))
		}
	}
	if len(w.off) > 0 {
		add("#", "# Before mode: apply, switch off in Open WebUI what would work against it:")
		for _, text := range w.off {
			add("#     " + text)
		}
	}
	if len(w.unread) > 0 {
		add("#", "# Not known, and left to you:")
		for _, text := range w.unread {
			add("#     " + text)
		}
	}
	add("", "mode: plan # apply, once the plan is what you want", "", "sources:")
	for i := range w.sources {
		add("  " + w.sources[i].name + ":")
		for _, line := range w.sources[i].lines {
			add("    " + line)
		}
	}
	add("", "targets:", "  chat:", "    url: "+quoted(b.URL), "    api_key: "+quoted(b.Key.String())+" # the key of an administrator's account")
	if b.CAFile != "" {
		add("    ca_file: " + quoted(b.CAFile))
	}
	add(w.roles()...)
	add("", "rules:")
	add(w.rules()...)
	return []byte(strings.Join(out, "\n") + "\n")
}

// distinct numbers sources that would have one name: two ways to sign in may lead to one
// provider, and a directory may be called as one.
func (w *beginning) distinct() {
	taken := map[string]bool{}
	for i := range w.sources {
		s := &w.sources[i]
		for n, plain := 2, s.name; taken[s.name]; n++ {
			s.name = fmt.Sprintf("%s-%d", plain, n)
		}
		taken[s.name] = true
	}
}

// rules begins with everything that the first source has: names of groups that two sources
// share would be the same group, which somebody has to want.
func (w *beginning) rules() []string {
	first := &w.sources[0]
	out := []string{
		"  # Every directory group becomes an Open WebUI group of its name, once it has a member",
		"  # with an account. A group of that name that is there already is taken over.",
		"  - name: all",
		"    from: " + first.name,
		`    match: "*" # CHANGE: the groups that matter there, such as "ai-*"`,
		"    create: used",
	}
	if len(first.blocked) > 0 {
		out = append(out, "    except: "+quotedList(first.blocked)+" # OAUTH_BLOCKED_GROUPS")
	}
	for i := range w.sources[1:] {
		out = append(out, "  # - name: all-of-"+w.sources[i+1].name+" # where both have a group of one name, add merge: true to unite them",
			"  #   from: "+w.sources[i+1].name, `  #   match: "*"`, "  #   create: used")
	}
	return out
}

// roles shows where the roles of OAuth sign-ins would go.
func (w *beginning) roles() []string {
	o := w.settings.OAuth
	if o == nil || !o.RoleSync {
		return nil
	}
	return []string{
		"    # Open WebUI sets roles by the claim " + plainWords(o.RolesClaim) + ": administrators are " + plainWords(o.AdminRoles) + ", users are " + plainWords(o.AllowedRoles) + ".",
		"    # Here a role follows a directory group. Left out, roles are never touched.",
		"    # accounts:",
		"    #   role:",
		"    #     admin: [{from: " + w.sources[0].name + ", match: {id: CHANGE}}]",
	}
}

// notices names what works against us, and what could not be read.
func (w *beginning) notices() {
	s := w.settings
	if s.LDAP != nil && s.LDAP.GroupSync {
		w.off = append(w.off, "ENABLE_LDAP_GROUP_MANAGEMENT: it takes people out of all groups that memberOf does not name")
	}
	if o := s.OAuth; o != nil && o.GroupSync {
		w.off = append(w.off, "ENABLE_OAUTH_GROUP_MANAGEMENT: it takes people out of all groups that their claim does not name")
	}
	if o := s.OAuth; o != nil && o.RoleSync {
		w.off = append(w.off, "ENABLE_OAUTH_ROLE_MANAGEMENT: where accounts.role is used here, the two would take turns")
	}
	for _, path := range s.Unread {
		w.unread = append(w.unread, path+": this version does not show it, or not to this key")
	}
	if len(s.Unread) > 0 && s.Restricted {
		w.unread = append(w.unread, "API_KEYS_ALLOWED_ENDPOINTS could contain /api/v1/auths/admin/config for as long as this takes")
	}
	w.unread = append(w.unread, "WEBUI_AUTH_TRUSTED_GROUPS_HEADER: only Open WebUI's environment has it; it must not be set")
}

// none begins with a directory that is not known.
func (w *beginning) none() {
	w.files["secrets/ldap"] = "the password of bind.dn"
	w.sources = append(w.sources, begunSource{name: "corp", lines: []string{
		"# Open WebUI says of no directory and no provider. Every kind of source: docs/providers.",
		"type: ldap", `url: "ldaps://ldap.example.org" # CHANGE`,
		`bind: {dn: "cn=groupsyncd,dc=example,dc=org", password: "file:secrets/ldap"} # CHANGE`,
		`users: {base: "ou=people,dc=example,dc=org"} # CHANGE`, `groups: {base: "ou=groups,dc=example,dc=org"} # CHANGE`,
	}})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/target/openwebui/openwebuitest"
)

const (
	people, groups = 10_000, 500
	perPerson      = 5

	suffix     = "dc=example,dc=org"
	peopleBase = "ou=people," + suffix
	groupsBase = "ou=groups," + suffix
	reader     = "cn=reader," + suffix

	ldapPassword = "soak-ldap-0123456789"
	hookSecret   = "soak-hook-0123456789"
	apiKey       = "sk-soak-0123456789"
)

// town is a directory, an Open WebUI and the program between them.
type town struct {
	dir, program  string
	directory     *ldaptest.Server
	ldapURL       string
	chat          *openwebuitest.Server
	daemon        *exec.Cmd
	admin, public string
	client        *http.Client

	mu sync.Mutex
	// members are the people of each group, as the directory has them.
	members [][]int
	counts  map[string]int
	faults  []error
}

// start makes everything and runs the program.
func start(seed uint64) (*town, error) {
	dir, err := os.MkdirTemp("", "groupsyncd-soak-*")
	if err != nil {
		return nil, err
	}
	t := &town{dir: dir, program: filepath.Join(dir, "groupsyncd"), members: make([][]int, groups), counts: map[string]int{},
		client:    &http.Client{Timeout: 30 * time.Second},
		directory: ldaptest.New(ldaptest.Options{BindDN: reader, Password: ldapPassword, Changes: ldaptest.Changes{Syncprov: true, SessionLog: 1000}}),
		chat:      openwebuitest.New(openwebuitest.Options{Key: apiKey})}
	if err := t.settle(rand.New(rand.NewPCG(seed, 0))); err != nil {
		return nil, err
	}
	if t.admin, err = free(); err != nil {
		return nil, err
	}
	if t.public, err = free(); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"ldap": ldapPassword, "hook": hookSecret, "key": apiKey, "groupsyncd.yaml": t.configuration(0)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if out, err := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", t.program, "./cmd/groupsyncd").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	t.daemon = exec.CommandContext(context.Background(), t.program, "serve")
	t.daemon.Dir, t.daemon.Stdout, t.daemon.Stderr = dir, log, log
	return t, t.daemon.Start()
}

// settle fills both servers: everybody has an account and is in five groups.
func (t *town) settle(random *rand.Rand) error {
	entries := make([]ldaptest.Entry, 0, people+groups+3)
	for _, ou := range []string{suffix, peopleBase, groupsBase} {
		entries = append(entries, ldaptest.Entry{DN: ou, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}}})
	}
	for p := range people {
		entries = append(entries, ldaptest.Entry{DN: personDN(p), Attributes: map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {fmt.Sprintf("p%d", p)},
			"cn": {fmt.Sprintf("Person %d", p)}, "mail": {mail(p)}, "entryUUID": {fmt.Sprintf("00000000-0000-4000-8000-%012x", p+1)}}})
		t.chat.AddAccount(openwebuitest.Account{ID: account(p), Email: mail(p)})
		var in []int
		for len(in) < perPerson {
			if g := random.IntN(groups); !slices.Contains(in, g) {
				in = append(in, g)
				t.members[g] = append(t.members[g], p)
			}
		}
	}
	for g := range groups {
		var dns []string
		for _, p := range t.members[g] {
			dns = append(dns, personDN(p))
		}
		entries = append(entries, ldaptest.Entry{DN: groupDN(g), Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {groupName(g)},
			"entryUUID": {fmt.Sprintf("00000000-0000-4000-9000-%012x", g+1)}, "member": dns}})
	}
	if err := t.directory.Add(entries...); err != nil {
		return err
	}
	var err error
	if t.ldapURL, err = t.directory.Start("127.0.0.1:0"); err != nil {
		return err
	}
	return t.chat.Start()
}

// free gives an address that nobody listens on.
func free() (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func personDN(p int) string  { return fmt.Sprintf("uid=p%d,%s", p, peopleBase) }
func mail(p int) string      { return fmt.Sprintf("p%d@example.org", p) }
func account(p int) string   { return fmt.Sprintf("account-%d", p) }
func groupName(g int) string { return fmt.Sprintf("g%03d", g) }
func groupDN(g int) string   { return fmt.Sprintf("cn=%s,%s", groupName(g), groupsBase) }

// configuration gives one of the forms that a reload brings. The limits of a day are off,
// because half an hour has the changes of months.
func (t *town) configuration(form int) string {
	return fmt.Sprintf(`state: state
sources:
  corp:
    type: ldap
    url: %q
    bind: {dn: %q, password: file:ldap}
    layout: rfc2307bis
    users: {base: %q}
    groups: {base: %q}
    schedule: every %dm
targets:
  chat: {type: openwebui, url: %q, api_key: file:key, watch: %ds}
rules:
  - {name: all, match: "*"}
safety: {max_people: off, max_people_24h: off, max_group_loss: off}
server: {admin: {listen: %q}, public: {listen: %q}}
webhooks: {login: {type: standard, secret: file:hook, source: corp}}
`, t.ldapURL, reader, peopleBase, groupsBase, 1+form%2, t.chat.URL, 2+form%3, t.admin, t.public)
}

func (t *town) memberships() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for g := range t.members {
		n += len(t.members[g])
	}
	return n
}

// calm waits until Open WebUI has what the directory says, and says what is different when it
// has not in time.
func (t *town) calm(within time.Duration) error {
	var why error
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(2 * time.Second) {
		if out, err := t.command("sync", "--reread"); err != nil {
			why = fmt.Errorf("sync: %w\n%s", err, out)
			continue
		}
		if why = t.different(); why == nil {
			return nil
		}
	}
	return why
}

// different gives one group whose members are others than those of the directory.
func (t *town) different() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	has := map[string][]string{}
	for _, g := range t.chat.Groups() {
		has[g.Name] = g.Members
	}
	for g := range t.members {
		want := make([]string, len(t.members[g]))
		for i, p := range t.members[g] {
			want[i] = account(p)
		}
		slices.Sort(want)
		if !slices.Equal(want, has[groupName(g)]) {
			return fmt.Errorf("%s has %d members in the directory and %d in Open WebUI, or others", groupName(g), len(want), len(has[groupName(g)]))
		}
	}
	return nil
}

// command runs one of the program's commands, which asks the daemon.
func (t *town) command(args ...string) (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, t.program, args...)
	cmd.Dir = t.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (t *town) fault(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.faults) < 10 {
		t.faults = append(t.faults, err)
	}
}

// count counts what was done.
func (t *town) count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
}

func (t *town) stop(keep bool) error {
	err := t.daemon.Process.Signal(syscall.SIGTERM)
	err = errors.Join(err, t.daemon.Wait(), t.directory.Close())
	t.chat.Close()
	if keep {
		fmt.Println("kept:", t.dir)
		return err
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}

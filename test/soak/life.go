package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/server/hooks/hookstest"
	"groupsyncd/target/openwebui/openwebuitest"
)

// change has somebody join or leave a group.
func (t *town) change(random *rand.Rand) {
	g, p := random.IntN(groups), random.IntN(people)
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	if out := random.IntN(2) == 0; out && len(t.members[g]) > perPerson {
		at := random.IntN(len(t.members[g]))
		err = t.directory.RemoveValues(groupDN(g), "member", personDN(t.members[g][at]))
		t.members[g] = slices.Delete(t.members[g], at, at+1)
		t.counts["left a group"]++
	} else if !slices.Contains(t.members[g], p) {
		err = t.directory.AddValues(groupDN(g), "member", personDN(p))
		t.members[g] = append(t.members[g], p)
		t.counts["joined a group"]++
	}
	if err != nil {
		t.faults = append(t.faults, err)
	}
}

// login tells of somebody, in one of two ways: by a webhook, or by being active.
func (t *town) login(random *rand.Rand) {
	p := random.IntN(people)
	if random.IntN(4) == 0 {
		t.chat.Visit(account(p))
		t.count("visits")
		return
	}
	body := fmt.Sprintf(`{"type":"login","data":{"user":%q}}`, mail(p))
	t.ask(http.MethodPost, "http://"+t.public+"/hooks/login", body, "webhooks answered with ", hookstest.Standard(hookSecret, strconv.FormatUint(random.Uint64(), 36), body, time.Now()))
}

// look is somebody who looks at pages, or a machine that does.
func (t *town) look(random *rand.Rand) {
	paths := []string{"/", "/metrics", "/readyz?verbose", "/livez", "/api/v1/status", "/api/v1/runs?limit=100", "/api/v1/holds",
		"/api/v1/users/" + mail(random.IntN(people)), "/api/v1/groups/" + groupName(random.IntN(groups))}
	t.ask(http.MethodGet, "http://"+t.admin+paths[random.IntN(len(paths))], "", "looks answered with ", http.Header{"Accept": {"text/html, */*"}})
}

// ask sends a request and counts its answer.
func (t *town) ask(method, url, body, what string, header http.Header) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.fault(err)
		return
	}
	req.Header = header
	resp, err := t.client.Do(req)
	if err != nil {
		t.fault(err)
		return
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.fault(err)
	}
	t.count(what + strconv.Itoa(resp.StatusCode))
}

// bad is the form of the configuration that has a mistake.
const bad = 6

// reload brings another form of the configuration, and sometimes one with a mistake, which
// has to be refused.
func (t *town) reload(random *rand.Rand) { t.configure(random.IntN(bad + 1)) }

// configure has the program load a form of the configuration.
func (t *town) configure(form int) {
	file := filepath.Join(t.dir, "groupsyncd.yaml")
	text := []byte(t.configuration(form))
	if form == bad {
		text = bytes.Replace(text, []byte("sources:"), []byte("sourcs:"), 1)
	}
	err := os.WriteFile(file+".new", text, 0o600)
	if err = errors.Join(err, os.Rename(file+".new", file)); err != nil {
		t.fault(err)
		return
	}
	out, err := t.command("reload")
	switch {
	case form == bad && err == nil:
		t.fault(errors.New("a configuration with a mistake was taken"))
	case form != bad && err != nil:
		t.fault(fmt.Errorf("reload: %w: %s", err, out))
	}
	t.count("reloads")
}

// trouble has one of the servers fail for some seconds.
func (t *town) trouble(random *rand.Rand, end time.Time) {
	last := time.Duration(3+random.IntN(15)) * time.Second
	if time.Now().Add(last).After(end) {
		return
	}
	if random.IntN(2) == 0 {
		f := []ldaptest.Fault{{Delay: 300 * time.Millisecond}, {Cut: 20}, {Cut: -1}, {Code: 51}, {Code: 80, CodeAfter: 100}, {NoControl: true}, {SamePage: true}, {Code: 4, CodeAfter: 50}}
		n := random.IntN(len(f))
		t.directory.SetFault(func(ldaptest.Search) ldaptest.Fault { return f[n] })
		t.count(fmt.Sprintf("trouble of the directory: %+v", f[n]))
	} else {
		f := []openwebuitest.Fault{{Latency: 500 * time.Millisecond}, {Drop: openwebuitest.DropBefore}, {Drop: openwebuitest.DropAfter}, {Status: 503, RetryAfter: "2"},
			{Status: 500}, {HTML: true}, {Cut: true}, {Truncate: true}, {Status: 429}, {Body: "{}"}, {Lose: func(string) bool { return true }}}
		names := []string{"slow", "cut before", "cut after", "503", "500", "a web page", "half an answer", "half an answer that looks whole", "429", "an empty answer", "lost members"}
		n := random.IntN(len(f))
		t.chat.Inject(f[n])
		t.count("trouble of Open WebUI: " + names[n])
	}
	time.Sleep(last)
	t.heal()
}

func (t *town) heal() {
	t.directory.SetFault(nil)
	t.chat.Heal()
	t.chat.ResetLog() // The simulator writes down every request.
}

// print says what was done.
func (t *town) print() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(t.counts)) {
		fmt.Printf("%6d %s\n", t.counts[what], what)
	}
}

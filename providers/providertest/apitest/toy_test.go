package apitest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/internal/httpx"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
)

// toyAPI has lists in pages, the members of each group by a request, and a token that has to
// be fetched.
type toyAPI struct {
	world atomic.Pointer[providertest.World]
	page  int
}

const toyToken = "canary-toy-token"

func (a *toyAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	world := a.world.Load()
	switch {
	case r.URL.Path == "/token":
		send(w, map[string]string{"access_token": toyToken})
	case r.Header.Get("Authorization") != "Bearer "+toyToken:
		answer(w, http.StatusUnauthorized, "application/json", `{"detail":"no token"}`)
	case r.URL.Path == "/users":
		list(w, r, a.page, world.Users)
	case r.URL.Path == "/groups":
		groups := make([]providertest.Group, len(world.Groups))
		for i, g := range world.Groups {
			groups[i] = providertest.Group{ID: g.ID, Name: g.Name, Description: g.Description}
		}
		list(w, r, a.page, groups)
	default:
		for _, g := range world.Groups {
			if r.URL.Path == "/groups/"+g.ID+"/members" {
				send(w, toyMembers{Users: &g.Members, Groups: g.Groups})
				return
			}
		}
		answer(w, http.StatusNotFound, "application/json", `{"detail":"no such thing"}`)
	}
}

type toyMembers struct {
	Users  *[]string
	Groups []string
}

type toyPage[T any] struct {
	Total *int
	Rows  []T
}

func list[T any](w http.ResponseWriter, r *http.Request, page int, rows []T) {
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	total := len(rows)
	from = min(from, total)
	send(w, toyPage[T]{&total, rows[from:min(from+page, total)]})
}

func send(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// toySource reads the toy API as a source should.
type toySource struct {
	client *httpx.Client
	token  atomic.Pointer[secret.Value]
}

func openToy(s *Server) *toySource {
	base, _ := url.Parse(s.URL())
	reach := httpx.Reach{Base: base, Dial: s.Dial()}
	toy := &toySource{}
	tokens := httpx.New(httpx.Options{Name: "toy tokens", Base: base, Transport: reach.Transport()})
	toy.client = httpx.New(httpx.Options{Name: "toy", Base: base, Transport: reach.Transport(), Bearer: func(ctx context.Context, refused secret.Value) (secret.Value, error) {
		if known := toy.token.Load(); known != nil && known.Reveal() != refused.Reveal() {
			return *known, nil
		}
		var got struct {
			Token string `json:"access_token"`
		}
		_, err := tokens.Session().Do(ctx, httpx.Request{Method: http.MethodPost, Path: "/token", Op: "get a token", Into: &got, Repeat: true, Secret: true})
		if err == nil && got.Token == "" {
			err = fault.Errorf(fault.Invalid, "get a token", "toy", "there is none in the answer")
		}
		if err != nil {
			return secret.Value{}, err
		}
		fresh := secret.New(got.Token)
		toy.token.Store(&fresh)
		return fresh, nil
	}})
	return toy
}

func (s *toySource) Close() error { s.client.Close(); return nil }

func (s *toySource) Check(ctx context.Context) []providers.Finding {
	if _, err := pages[providertest.User](ctx, s.client.Session(), "users"); err != nil {
		return []providers.Finding{{Level: providers.Failed, Check: "toy", Message: err.Error()}}
	}
	return []providers.Finding{{Level: providers.OK, Check: "toy", Message: "answers"}}
}

func pages[T any](ctx context.Context, s *httpx.Session, what string) ([]T, error) {
	var all []T
	var walk httpx.Walk
	for {
		var p toyPage[T]
		from := strconv.Itoa(len(all))
		if err := walk.Next(from); err != nil {
			return nil, fault.New(fault.Incomplete, "read "+what, "toy", err, "")
		}
		if _, err := s.Do(ctx, httpx.Request{Method: http.MethodGet, Path: "/" + what, Query: url.Values{"from": {from}}, Op: "read " + what, Into: &p, Repeat: true}); err != nil {
			return nil, err
		}
		if p.Total == nil {
			return nil, fault.New(fault.Invalid, "read "+what, "toy", errors.New("the answer is no page"), "")
		}
		if all = append(all, p.Rows...); len(all) >= *p.Total {
			return all, nil
		}
	}
}

func (s *toySource) Pull(ctx context.Context, progress providers.Progress) (*directory.Snapshot, error) {
	session := s.client.Session()
	a := directory.Assembly{Snapshot: directory.Snapshot{AsOf: time.Now()}}
	users, err := pages[providertest.User](ctx, session, "users")
	for _, u := range users {
		a.User(directory.User{ID: u.ID, Email: u.Email, Username: u.Username, Name: u.Name, Disabled: u.Disabled, StatusKnown: true, Attributes: u.Attributes})
	}
	var failed error
	if err == nil {
		a.Snapshot.UsersListed = true
		progress.Report("users", len(users))
		failed = s.groups(ctx, session, &a)
	}
	if err = errors.Join(err, failed); err != nil {
		a.Snapshot.Reason = err.Error()
	}
	return a.Close(true), err
}

func (s *toySource) groups(ctx context.Context, session *httpx.Session, a *directory.Assembly) error {
	groups, err := pages[providertest.Group](ctx, session, "groups")
	if err != nil {
		return err
	}
	a.Snapshot.GroupsListed = true
	members, failures := make([]toyMembers, len(groups)), make([]error, len(groups))
	var g errgroup.Group
	g.SetLimit(4)
	for i, group := range groups {
		g.Go(func() error {
			_, failures[i] = session.Do(ctx, httpx.Request{Method: http.MethodGet, Path: "/groups/" + group.ID + "/members", Op: "read members", Into: &members[i], Repeat: true})
			if failures[i] == nil && members[i].Users == nil && members[i].Groups == nil {
				failures[i] = fault.Errorf(fault.Invalid, "read members", "toy", "the answer names none")
			}
			return nil
		})
	}
	_ = g.Wait()
	for i, group := range groups {
		a.Group(directory.Group{ID: group.ID, Name: group.Name, Description: group.Description})
		if failures[i] != nil {
			continue
		}
		a.Known(group.ID)
		for _, id := range *members[i].Users {
			a.Member(group.ID, directory.Ref{ID: id})
		}
		for _, id := range members[i].Groups {
			a.Member(group.ID, directory.Ref{ID: id})
		}
	}
	return errors.Join(failures...)
}

func openToyWorld(t testing.TB, w providertest.World, b Breakage) (*toySource, *Server) {
	for i := range w.Groups {
		if w.Groups[i].Members == nil {
			w.Groups[i].Members = []string{}
		}
	}
	api := &toyAPI{page: 250}
	api.world.Store(&w)
	server := InMemory(t, api)
	server.Break(b)
	s := openToy(server)
	t.Cleanup(func() { _ = s.Close() })
	return s, server
}

// TestTheToyPassesTheSuite shows the faults at work on a source that does everything right.
func TestTheToyPassesTheSuite(t *testing.T) {
	t.Parallel()
	open := func(t testing.TB, w providertest.World, b Breakage) providers.Source {
		s, _ := openToyWorld(t, w, b)
		return s
	}
	providertest.Run(t, providertest.Harness{
		Open:    func(t testing.TB, w providertest.World) providers.Source { return open(t, w, Breakage{}) },
		Virtual: true, Secret: toyToken, NoLookUp: true,
		Faults: Faults(open, FaultOptions{
			Token:  func(r *http.Request) bool { return r.URL.Path == "/token" },
			Users:  func(r *http.Request) bool { return r.URL.Path == "/users" },
			Groups: func(r *http.Request) bool { return r.URL.Path == "/groups" },
			Members: func(r *http.Request) string {
				id, _ := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/groups/"), "/members")
				if !strings.HasSuffix(r.URL.Path, "/members") {
					return ""
				}
				return id
			},
			Short: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				total := 1000
				send(w, toyPage[int]{Total: &total})
			},
			Says: func(status int) string { return fmt.Sprintf(`{"detail":"toy says %d"}`, status) },
		}),
	})
}

package apitest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest"
)

// FaultOptions say which requests of an API are which, so that every source has the same
// faults at the same places.
type FaultOptions struct {
	// Token matches requests of access tokens; nil: there are none.
	Token func(*http.Request) bool
	// Users and Groups match pages of the lists. There have to be two at least of the world
	// that a fault is tried with, 701 users and 301 groups: give the fake a small limit of its
	// pages. Nil: there is no such list.
	Users, Groups func(*http.Request) bool
	// Members gives the group whose members a request reads, by any name that is the same in
	// all requests for that group; empty for any other request. Nil: members come with the lists.
	Members func(*http.Request) string
	// Loop and Short answer a request for a further page with an earlier one, and with fewer
	// rows than there are while the total stays; nil: the source tests that itself.
	Loop, Short Do
	// Says gives the body of an answer with that status, as the vendor writes it; nil: JSON
	// with a text.
	Says func(status int) string
}

// disturbance is one way in which an answer is not what it should be.
type disturbance struct {
	name  string
	do    Do
	kinds []fault.Kind
	// passes says that it is over when it is asked again.
	passes bool
}

func (o *FaultOptions) says(status int) string {
	if o.Says != nil {
		return o.Says(status)
	}
	return fmt.Sprintf(`{"detail": "refused with %d"}`, status)
}

// disturbances are what can become of any request.
func (o *FaultOptions) disturbances() []disturbance {
	status := func(n int) Do { return Status(n, o.says(n)) }
	busy := func(seconds int, date bool) Do { return Busy(seconds, date, o.says(http.StatusTooManyRequests)) }
	down := []fault.Kind{fault.Unavailable}
	limited := []fault.Kind{fault.Throttled, fault.Unavailable}
	wrong := []fault.Kind{fault.Invalid, fault.Incomplete}
	either := []fault.Kind{fault.Invalid, fault.Incomplete, fault.Unavailable}
	return []disturbance{
		{"401", status(401), []fault.Kind{fault.Auth}, false},
		{"403", status(403), []fault.Kind{fault.Auth}, false},
		{"404", status(404), []fault.Kind{fault.NotFound, fault.Invalid, fault.Incomplete}, false},
		{"404 of something in front", Text404, []fault.Kind{fault.Invalid, fault.Incomplete}, false},
		{"429 with seconds", busy(2, false), limited, true},
		{"429 with a date", busy(3, true), limited, true},
		{"429 without a time", busy(0, false), limited, true},
		{"429 for an hour", busy(3600, false), limited, false},
		{"500", status(500), down, true},
		{"503", status(503), down, true},
		{"slow", Slow, down, true},
		{"cut", Cut, down, true},
		{"half JSON", Half, down, true},
		{"connection closed", Hang, down, true},
		{"HTML", Text("text/html", "<html>sign in</html>"), wrong, false},
		{"empty body", Text("application/json", ""), either, false},
		{"empty body without a type", Text("", ""), either, false},
		{"null", Text("application/json", "null"), either, false},
		{"an object without anything in it", Text("application/json", "{}"), either, false},
		{"a text", Text("application/json", `"ok"`), either, false},
		{"redirect to another server", Elsewhere, either, false},
	}
}

// Text404 is a 404 that is no answer of the API.
func Text404(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	answer(w, http.StatusNotFound, "text/html", "<html>no such page</html>")
}

// Faults gives all faults. open loads a world, lets b happen and opens a source; it runs in a
// bubble of testing/synctest and uses InMemory, so that neither the retries nor the limits of
// the source have to be other than those that people get.
func Faults(open func(t testing.TB, w providertest.World, b Breakage) providers.Source, o FaultOptions) []providertest.Fault {
	var faults []providertest.Fault
	add := func(name string, d disturbance, b func() Breakage, f providertest.Fault) {
		f.Name, f.Virtual, f.Kinds = d.name+" "+name, true, d.kinds
		f.Open = func(t testing.TB, w providertest.World) providers.Source { return open(t, w, b()) }
		faults = append(faults, f)
		if !d.passes {
			return
		}
		f.Name, f.Passes, f.Partial = d.name+" "+name+", once", true, false
		f.OneGroup = false
		f.Open = func(t testing.TB, w providertest.World) providers.Source {
			once := b()
			once.Times = 1
			return open(t, w, once)
		}
		faults = append(faults, f)
	}
	for _, d := range o.disturbances() {
		add("at the first request", d, func() Breakage { return Breakage{Match: o.api, Do: d.do} }, providertest.Fault{})
		if o.Token != nil {
			add("for a token", o.ofToken(d), func() Breakage { return Breakage{Match: o.Token, Do: d.do} }, providertest.Fault{})
		}
		list := d
		list.kinds = append(slices.Clone(d.kinds), fault.Incomplete)
		if o.Users != nil {
			add("in the middle of the users", list, func() Breakage { return Breakage{Match: o.Users, After: 1, Do: d.do} }, providertest.Fault{Partial: true, PullOnly: true})
		}
		if o.Groups != nil {
			add("in the middle of the groups", list, func() Breakage { return Breakage{Match: o.Groups, After: 1, Do: d.do} }, providertest.Fault{Partial: true, PullOnly: true})
		}
		if o.Members != nil {
			one := providertest.Fault{Partial: true, PullOnly: true, OneGroup: d.name != "401"}
			add("in the members of one group", list, func() Breakage { return Breakage{Match: o.oneGroup(), Do: d.do} }, one)
		}
	}
	return append(faults, o.pages(open)...)
}

// pages are the faults of paging itself.
func (o *FaultOptions) pages(open func(t testing.TB, w providertest.World, b Breakage) providers.Source) []providertest.Fault {
	var faults []providertest.Fault
	for name, do := range map[string]Do{"the same page for ever": o.Loop, "a page with too few rows": o.Short} {
		for list, match := range map[string]func(*http.Request) bool{"users": o.Users, "groups": o.Groups} {
			if do == nil || match == nil {
				continue
			}
			faults = append(faults, providertest.Fault{
				Name: name + " among the " + list, Kinds: []fault.Kind{fault.Invalid, fault.Incomplete, fault.Unavailable, fault.Conflict},
				Partial: true, PullOnly: true, Virtual: true,
				Open: func(t testing.TB, w providertest.World) providers.Source {
					return open(t, w, Breakage{Match: match, After: 1, Do: do})
				},
			})
		}
	}
	slices.SortFunc(faults, func(a, b providertest.Fault) int { return cmp.Compare(a.Name, b.Name) })
	return faults
}

// api matches everything but requests of tokens.
func (o *FaultOptions) api(r *http.Request) bool { return o.Token == nil || !o.Token(r) }

// ofToken gives the kinds that fit when a token is not to be had: the error of OAuth is read
// first, and what is no answer of a token endpoint may be a moment's trouble there.
func (o *FaultOptions) ofToken(d disturbance) disturbance {
	d.kinds = append(slices.Clone(d.kinds), fault.Auth, fault.Invalid, fault.Unavailable)
	return d
}

// oneGroup matches the members of the group that is asked for first, in every request.
func (o *FaultOptions) oneGroup() func(*http.Request) bool {
	var mu sync.Mutex
	var only string
	return func(r *http.Request) bool {
		group := o.Members(r)
		if group == "" {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if only == "" {
			only = group
		}
		return group == only
	}
}

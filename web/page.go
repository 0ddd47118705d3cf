package web

import (
	"fmt"
	"html/template"
	"time"
)

// Page is what every page has, with its own content as Body.
type Page struct {
	// Title is the heading; At the place in the navigation.
	Title, At string
	Now       time.Time
	Zone      *time.Location
	Who       Who
	// Said is what just happened, for whoever did it.
	Said *Said
	Body any
}

// Who is the person who looks.
type Who struct {
	// Name is empty for somebody on this machine who has not signed in.
	Name     string
	Approver bool
	// Session says that the name comes from a sign-in here, and Proof is what its forms carry.
	Session bool
	Proof   string
	// Here is the address of the page, to come back to after signing in.
	Here string
}

// Said is a message that is shown once.
type Said struct {
	Text string
	// Run is one that it speaks of.
	Run string
}

// pair is a page with one thing on it, for parts of templates.
type pair struct {
	P *Page
	V any
}

// When writes a time as how long ago it was, or will be; the exact time is beside it.
func (p *Page) When(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	d := p.Now.Sub(t)
	text := span(d) + " ago"
	switch {
	case d <= -time.Second:
		text = "in " + span(-d)
	case d < 2*time.Second:
		text = "now"
	}
	return p.time(t, text, p.exact(t))
}

// Clock writes a time exactly.
func (p *Page) Clock(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	return p.time(t, p.exact(t), "")
}

func (p *Page) exact(t time.Time) string {
	return t.In(p.Zone).Format("2006-01-02 15:04:05 MST")
}

func (p *Page) time(t time.Time, text, title string) template.HTML {
	if title != "" {
		title = ` title="` + template.HTMLEscapeString(title) + `"`
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `"` + title + `>` + template.HTMLEscapeString(text) + `</time>`) //nolint:gosec // all of it is escaped or a number
}

// span says a length of time with one unit, or two where the second matters.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 24*time.Hour:
		if m := d % time.Hour / time.Minute; m > 0 && d < 10*time.Hour {
			return fmt.Sprintf("%d h %d min", d/time.Hour, m)
		}
		return fmt.Sprintf("%d h", d/time.Hour)
	case d < 48*time.Hour:
		return "1 day"
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// Pager leads through a long list, which the server cuts into pages.
type Pager struct {
	// From and To count from one; Total is how many there are.
	From, To, Total int
	// Prev and Next are addresses; empty: there is none.
	Prev, Next string
	What       string
	// More says that nobody has counted how many there are.
	More bool
}

// Cut gives the part of a list that a page shows, and the pager. link gives the address of a
// page, which counts from one.
func Cut[T any](list []T, page, size int, what string, link func(int) string) ([]T, Pager) {
	last := max(1, (len(list)+size-1)/size)
	page = min(max(page, 1), last)
	from, to := (page-1)*size, min(page*size, len(list))
	p := Pager{From: min(from+1, to), To: to, Total: len(list), What: what}
	if page > 1 {
		p.Prev = link(page - 1)
	}
	if page < last {
		p.Next = link(page + 1)
	}
	return list[from:to], p
}

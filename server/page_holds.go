package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"
	"groupsyncd/web"
)

const (
	holdsPerPage  = 20
	longestReason = 1000
)

// holds lists what the guard holds, the oldest first.
func (p *page) holds(w http.ResponseWriter, r *http.Request, c *caller) {
	list, err := await(p, r, p.a.Backend.Holds)
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	var v web.HoldsView
	list, v.Pager = web.Cut(list, pageOf(r), holdsPerPage, "holds", turn(r))
	v.Holds = firstOf(list, len(list))
	p.show(w, r, c, http.StatusOK, "holds", "Holds", "/holds", v)
}

func (p *page) hold(w http.ResponseWriter, r *http.Request, c *caller) {
	p.showHold(w, r, c, http.StatusOK, "", "")
}

// showHold shows one hold with everything that it lists. problem says what was wrong with a
// reason that was typed.
func (p *page) showHold(w http.ResponseWriter, r *http.Request, c *caller, code int, reason, problem string) {
	h, err := p.findHold(r)
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	approvals, err := await(p, r, p.a.Daemon.Approvals)
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	v := web.HoldPage{Hold: *h, Filter: filterOf(r), Reason: reason, Problem: problem}
	for _, a := range approvals {
		if a.Check == h.Check && a.Target == h.Target && a.Scope == h.Scope {
			v.Approvals = append(v.Approvals, a)
		}
	}
	known := worded(h.Changes)
	v.Withheld = len(h.Changes) - len(known)
	for i := range known {
		if op := string(known[i].Op); !slices.Contains(v.Ops, op) {
			v.Ops = append(v.Ops, op)
		}
	}
	v.Filter.Outcome = ""
	fit := slices.DeleteFunc(slices.Clone(known), func(ch run.Change) bool { return !fits(&ch, v.Filter) })
	v.Shown, v.Pager = web.Cut(fit, pageOf(r), changesPerPage, "changes", turn(r))
	p.show(w, r, c, code, "hold", web.CheckWords(h.Check), "/holds", v)
}

func (p *page) findHold(r *http.Request) (*run.Hold, error) {
	hash := r.PathValue("hash")
	list, err := await(p, r, p.a.Backend.Holds)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if _, listed := list[i].Under(hash); listed {
			return &list[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "", "", errors.New("nothing is held under "+hash), "it was let through or released, or is wanted again; what is held now is on the page Holds")
}

// approve lets through what a hold lists, in the name of whoever signed in.
func (p *page) approve(w http.ResponseWriter, r *http.Request, c *caller) {
	reason := strings.TrimSpace(r.PostForm.Get("reason"))
	switch {
	case reason == "":
		p.showHold(w, r, c, http.StatusUnprocessableEntity, "", "Say why: it is kept with the approval.")
		return
	case len([]rune(reason)) > longestReason:
		p.showHold(w, r, c, http.StatusUnprocessableEntity, "", "The reason is too long: "+strconv.Itoa(longestReason)+" letters are the most.")
		return
	}
	hash := r.PathValue("hash")
	approval, err := settle(p, r, func(ctx context.Context) (*run.Approval, error) {
		return p.a.Backend.Approve(ctx, hash, reason, c.by())
	})
	if err != nil {
		p.fail(w, r, c, err)
		return
	}
	changes := strconv.Itoa(len(approval.Keys)) + " changes"
	if len(approval.Keys) == 1 {
		changes = "1 change"
	}
	said := web.Said{Text: "Let through as " + c.name + ": " + changes + " at " + approval.Target + ". A run carries it out.", Run: approval.Run}
	to := "/"
	if approval.Run != "" {
		p.promised.add(approval.Run)
		to = web.RunPath(approval.Run)
	}
	c.session.say(said)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// settle carries out a decision and waits for it. It goes on when nobody waits.
func settle[T any](p *page, r *http.Request, call func(context.Context) (T, error)) (T, error) {
	var none T
	done, err := begin(p.a, p.a.writes, call)
	if err != nil {
		return none, err
	}
	return outcomeOf(r, done, readBound)
}

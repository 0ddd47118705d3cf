package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// draw makes the steps of a history from a seed.
func draw(seed uint64) []step {
	d := drawer{rand.New(rand.NewPCG(seed, 20260302)), nil}
	d.begin()
	disaster := d.IntN(8)
	for range 12 + d.IntN(30) {
		d.something()
		if d.IntN(12) == 0 {
			d.disaster(disaster)
		}
	}
	return spiced(deltas(signingIn(unblocked(d.steps, seed), seed), seed), seed)
}

// unblocked adds to some histories, by chances of its own, that a nested group is moved away
// and somebody releases what names it in vain. All else of a history stays as it was.
func unblocked(steps []step, seed uint64) []step {
	chance := rand.New(rand.NewPCG(seed, 20261121))
	if chance.IntN(6) > 0 {
		return steps
	}
	source, child := []string{"corp", "hr", "eu"}[chance.IntN(3)], []string{"eng", "ops", "sales"}[chance.IntN(3)]
	at := len(steps)/2 + chance.IntN(len(steps)/2)
	more := []string{"nest %[1]s top %[2]s", "sync", "place %[1]s %[2]s away", "sync", "unblock %[1]s top", "sync"}
	if chance.IntN(3) == 0 {
		more[4] = fmt.Sprintf("crash %d\n", chance.IntN(2)) + more[4]
	}
	return slices.Insert(steps, at, parse(fmt.Sprintf(strings.Join(more, "\n"), source, child))...)
}

type drawer struct {
	*rand.Rand
	steps []step
}

func (d *drawer) add(format string, args ...any) {
	d.steps = append(d.steps, parse(fmt.Sprintf(format, args...))...)
}

func (d *drawer) of(words ...string) string { return words[d.IntN(len(words))] }

func (d *drawer) human() string { return fmt.Sprintf("h%d", d.IntN(6)) }

func (d *drawer) source() string { return d.of("corp", "corp", "hr", "hr", "eu") }

func (d *drawer) group() string { return d.of("eng", "ops", "sales", "top") }

func (d *drawer) sources() string {
	return "sources " + d.of("corp", "hr", "corp hr", "corp hr", "corp hr", "corp hr eu")
}

func (d *drawer) rules() string {
	words := []string{"rules"}
	for _, forms := range []string{"r1a r1a r1b r1c r1d -", "r2a r2a r2b r2c r2d -", "r3a r3b - - -", "r4a - -", "r5a - - -", "r6a - - -", "r7a - - - -"} {
		if rule := d.of(strings.Fields(forms)...); rule != "-" {
			words = append(words, rule)
		}
	}
	return strings.Join(words, " ")
}

// begin draws the world as it is when everything starts.
func (d *drawer) begin() {
	d.add("%s\n%s", d.sources(), d.rules())
	for h := range 6 {
		for _, s := range []string{"corp", "hr", "eu"} {
			if d.IntN(4) > 0 {
				d.add("user %s h%d", s, h)
			}
		}
		if d.IntN(5) > 0 {
			d.add("signup h%d", h)
		}
	}
	for _, s := range []string{"corp", "hr", "eu"} {
		for _, g := range []string{"eng", "ops", "sales", "top"} {
			if d.IntN(4) == 0 {
				continue
			}
			d.add("group %s %s", s, g)
			if d.IntN(6) == 0 {
				d.add("wide %s %s", s, g)
			}
			for h := range 6 {
				if d.IntN(2) == 0 {
					d.add("join %s h%d %s", s, h, g)
				}
			}
		}
	}
	if d.IntN(3) == 0 {
		d.add("nest %s top %s", d.source(), d.of("eng", "ops", "sales"))
	}
	d.add("wait 1h")
	if d.IntN(6) > 0 {
		d.add("run")
	}
}

// disaster draws what happens to our state or to the server as a whole, in some histories.
func (d *drawer) disaster(kind int) {
	switch kind {
	case 0:
		d.add("%s", d.of("statebackup", "staterestore", "staterestore", "statelost"))
	case 1:
		d.add("%s", d.of("webbackup", "webbackup", "webrestore"))
	}
}

// something draws what happens next.
func (d *drawer) something() {
	switch n := d.IntN(100); {
	case n < 30:
		d.add("%s", d.change())
	case n < 33:
		// Somebody or some group is gone while another source is out for long.
		out := d.source()
		d.add("%s", d.of("deluser "+d.source()+" "+d.human(), "delgroup "+d.source()+" "+d.group(), d.change()))
		for range 2 + d.IntN(2) {
			d.add("fault %s fails\nrun\nwait 16m", out)
		}
	case n < 44:
		d.add("%s", d.hand())
	case n < 52:
		d.add("wait %s", d.of("30s", "1m", "3m", "6m", "8m", "16m", "16m", "40m", "5h", "13h", "25h"))
	case n < 66:
		d.trouble()
		d.add("run")
	case n < 70:
		d.trouble()
		d.add("run %s", d.source())
	case n < 76:
		if d.IntN(5) == 0 {
			d.add("lookupfault %s %s", d.source(), d.of("fails", "nobody", "behind 3"))
		}
		d.add("person %s", d.human())
	case n < 81:
		d.add("inside %d %s", 2+d.IntN(5), d.inside())
		d.add("run")
	case n < 85:
		d.add("%s %d", d.of("approve", "approve", "approve-earlier", "release"), d.IntN(4))
	case n < 89:
		d.add("%s", d.rules())
	case n < 91:
		d.add("%s", d.sources())
	case n < 92:
		d.add("narrow %s %s", d.source(), d.of("on", "off"))
	case n < 93:
		d.add("restart")
	case n < 95:
		d.add("crash %d", d.IntN(14))
		d.add("%s", d.of("run", "run", "person "+d.human()))
	case n < 96:
		d.add("down\nrun\nup")
	case n < 97:
		d.add("%s", d.of("plan", fmt.Sprintf("revert %d", d.IntN(3))))
	default:
		s, h := d.source(), d.human()
		if d.IntN(2) == 0 {
			d.add("during %s %s %s %s %s", s, d.of("join", "leave"), s, h, d.group())
		}
		d.add("during %s person %s", s, h)
		d.add("run %s", s)
	}
}

func (d *drawer) inside() string {
	switch d.IntN(8) {
	case 0:
		return d.hand()
	case 1:
		return d.change()
	case 2:
		return "stop"
	case 3:
		return fmt.Sprintf("%s %d", d.of("approve", "approve", "release"), d.IntN(3))
	}
	return "person " + d.human()
}

// trouble draws what goes wrong with the next run, if anything.
func (d *drawer) trouble() {
	if d.IntN(3) > 0 {
		return
	}
	switch d.IntN(8) {
	case 0:
		d.add("fault %s fails", d.source())
	case 1:
		d.add("fault %s cut %s", d.source(), d.group())
	case 2:
		d.add("fault %s users %d", d.source(), d.IntN(4))
	case 3:
		d.add("fault %s groups %d", d.source(), d.IntN(4))
	case 4:
		d.add("fault hr behind %d", 1+d.IntN(5))
	case 5:
		d.add("write %d %s", 1+d.IntN(3), d.of("before", "after", "ignored"))
	case 6:
		d.add("fault hr behind 5")
	default:
		d.add("fault %s panics", d.source())
	}
}

// change draws what happens in a directory.
func (d *drawer) change() string {
	s := d.source()
	switch d.IntN(22) {
	case 0, 1, 2, 3:
		return fmt.Sprintf("join %s %s %s", s, d.human(), d.group())
	case 4, 5, 6, 7, 8, 9:
		return fmt.Sprintf("leave %s %s %s", s, d.human(), d.group())
	case 10:
		return fmt.Sprintf("deluser %s %s", s, d.human())
	case 11:
		return fmt.Sprintf("user %s %s", s, d.human())
	case 12:
		return fmt.Sprintf("disable %s %s", s, d.human())
	case 13:
		return fmt.Sprintf("enable %s %s", s, d.human())
	case 14:
		return fmt.Sprintf("dept %s %s %s", s, d.human(), d.of("A", "B"))
	case 15:
		return fmt.Sprintf("rename %s %s %s", s, d.group(), d.of("eng2", "ops2", "x-eng", "sales2", "eng", "ops", "sales"))
	case 16:
		return fmt.Sprintf("delgroup %s %s", s, d.group())
	case 17:
		return fmt.Sprintf("group %s %s", s, d.group())
	case 18:
		return fmt.Sprintf("nest %s top %s", s, d.of("eng", "ops", "sales"))
	case 19:
		return fmt.Sprintf("unnest %s top %s", s, d.of("eng", "ops", "sales"))
	case 20:
		return fmt.Sprintf("place %s %s %s", s, d.group(), d.of("inside", "inside", "filtered", "away"))
	default:
		return d.of(fmt.Sprintf("mail %s %s", s, d.human()), fmt.Sprintf("recycle %s %s h6", s, d.human()))
	}
}

// hand draws what happens in Open WebUI without us.
func (d *drawer) hand() string {
	name := d.of("eng", "ops", "Sales", "Sales", "team_ops", "team_top", "Everyone", "eu_eng", "t_eng", "eng2")
	switch d.IntN(16) {
	case 0, 1, 2, 3:
		return fmt.Sprintf("put %s %s", d.human(), name)
	case 4, 5, 6, 7:
		return fmt.Sprintf("take %s %s", d.human(), name)
	case 8, 9:
		return "signup " + d.human()
	case 10:
		return "remake " + d.human()
	case 11:
		return "delacct " + d.human()
	case 12:
		return "delgrp " + name
	case 13:
		return "mkgroup " + name
	case 14:
		return fmt.Sprintf("regroup %s %s", name, d.of("renamed", "eng", "Sales"))
	default:
		return "acctmail " + d.human()
	}
}

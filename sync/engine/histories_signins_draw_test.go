package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// signingIn adds a source of single people to half of the histories, by chances of its own; all
// else of a history stays as it was.
func signingIn(steps []step, seed uint64) []step {
	d := &drawer{rand.New(rand.NewPCG(seed, 20261125)), nil}
	if d.IntN(2) > 0 {
		return steps
	}
	steps = slices.Clone(steps)
	alone := d.IntN(6) == 0
	for i, s := range steps {
		switch {
		case s.do == "sources" && alone:
			steps[i].args = []string{sso}
		case s.do == "sources" && d.IntN(8) > 0:
			steps[i].args = append(slices.Clone(s.args), sso)
		case s.do == "rules":
			for _, forms := range []string{"r10a r10a r10b -", "r11a r11b - - -"} {
				if rule := d.of(strings.Fields(forms)...); rule != "-" {
					steps[i].args = append(slices.Clone(steps[i].args), rule)
				}
			}
		}
	}
	for _, g := range []string{"eng", "ops", "sales", "top"} {
		if d.IntN(4) > 0 {
			d.add("group sso %s", g)
		}
	}
	for h := range 6 {
		if d.IntN(5) == 0 {
			continue
		}
		d.add("user sso h%d", h)
		for _, g := range []string{"eng", "ops", "sales", "top"} {
			if d.IntN(2) == 0 {
				d.add("join sso h%d %s", h, g)
			}
		}
		if d.IntN(2) == 0 {
			d.add("login h%d%s", h, d.says())
		}
	}
	steps = slices.Insert(steps, 2, d.steps...)
	for range 5 + d.IntN(12) {
		d.steps = nil
		d.ofSignIns()
		at := len(steps)/3 + d.IntN(len(steps)*2/3)
		steps = slices.Insert(steps, at, d.steps...)
	}
	return steps
}

// says draws what a token says beside nothing special.
func (d *drawer) says() string {
	return d.of("", "", "", "", "", "", " absent", " overage", " emptied", " 10m", " 2h", " 13h", " absent 10m", " emptied 10m")
}

// ofSignIns draws what happens about signing in.
func (d *drawer) ofSignIns() {
	h := d.human()
	switch n := d.IntN(20); {
	case n < 5:
		d.add("%s sso %s %s", d.of("join", "leave", "leave"), h, d.group())
		d.add("%s %s%s", d.of("signin", "signin", "signin", "login"), h, d.says())
	case n < 8:
		d.add("%s %s%s", d.of("signin", "signin", "login"), h, d.says())
	case n < 9:
		d.add("%s sso %s %s", d.of("join", "leave"), h, d.group())
	case n < 11:
		d.add("post %s%s", h, d.says())
	case n < 12:
		d.add("account %s", d.of(h, h, "nobody"))
	case n < 13:
		d.add("%s", d.of("logout "+h, "delgroup sso "+d.group(), "deluser sso "+h, "user sso "+h))
	case n < 15:
		d.add("%s", d.of("fault sso fails", fmt.Sprintf("fault sso users %d", d.IntN(4)), "fault sso panics", "wait 30s", "wait 30s"))
		if d.IntN(3) == 0 {
			d.add("amid sso %s", d.amid())
		}
		d.add("%s", d.of("sweep", "sweep", "run"))
	case n < 17:
		d.add("%s sso %s %s\ninside %d %s\nrun", d.of("join", "leave"), h, d.group(), 2+d.IntN(5), d.of("signin "+h+d.says(), "signin "+h, "account "+h, "post "+h+d.says()))
	case n < 18:
		d.add("amid %s %s\n%s %s%s", d.of("sso", "sso", "corp"), d.amid(), d.of("signin", "post"), d.human(), d.says())
	case n < 19:
		d.add("lookupfault sso %s\nsignin %s", d.of("fails", "nobody"), h)
	default:
		d.add("crash %d\nsignin %s%s", d.IntN(8), h, d.says())
	}
}

// amid draws what happens in the middle of a look-up or of a sweep.
func (d *drawer) amid() string {
	return d.of("signin "+d.human()+d.says(), "signin "+d.human(), "post "+d.human()+" 2h", "join sso "+d.human()+" "+d.group(), "leave sso "+d.human()+" "+d.group())
}

package config

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"groupsyncd/internal/secret"
)

// Notify is one service outside that people are told by.
type Notify struct {
	URL      secret.Ref     `yaml:"url" doc:"Where the shoutrrr address of the service is kept, which is a secret as a whole: Slack, Teams, mail, ntfy, a webhook of your own …"`
	Name     string         `yaml:"name" doc:"What the service is called in commands, logs and metrics. Default: the last part of the reference in url."`
	On       []string       `yaml:"on" words:"held failed stale privileged applied recovered" doc:"What people are told: what the guard holds, what keeps failing, sources that are stale, who becomes powerful, what each run changed, and what is over."`
	Targets  []string       `yaml:"targets" doc:"Only what concerns these targets, and what concerns all. Omitted: everything."`
	Remind   Every          `yaml:"remind" doc:"How often what is still open is told again: a duration, or off."`
	Template NotifyTemplate `yaml:"template" doc:"How a notice is written."`
}

// NotifyTemplate is how a notice is written.
type NotifyTemplate struct {
	Title string `yaml:"title" doc:"The title, as a template. Omitted: the machine and what it is about."`
	Body  string `yaml:"body" doc:"The text, as a template. Omitted: what it is, the first changes, and what to do."`
}

// shortestRemind keeps a reminder from being a nuisance.
const shortestRemind = Every(time.Hour)

func defaultNotify() *Notify {
	return &Notify{On: []string{"held", "failed", "stale", "privileged", "recovered"}, Remind: Every(day)}
}

func (d *decoder) checkNotify(c *Config) {
	named := map[string]bool{}
	for i := range c.Notify {
		named[c.Notify[i].Name] = true
	}
	seen := map[string]bool{}
	for i, n := range c.Notify {
		at := path{"notify"}.index(i)
		switch {
		case n.URL.IsZero():
			d.reportAt(at.child("url"), "is missing", "keep the address of the service, such as slack://…, in a file, and write url: file:secrets/notify; docs/notices.md has addresses to copy")
		case n.Name == "":
			n.Name = nameOf(n.URL.String(), named)
			named[n.Name] = true
		}
		switch {
		case n.Name == "":
		case !properName(n.Name):
			d.reportAt(at.child("name"), "a name is made of letters, digits, - _ and .", "choose a short name")
		case seen[n.Name]:
			d.reportAt(at.child("name"), "another service has this name", "give each a name of its own")
		}
		seen[n.Name] = true
		if len(n.On) == 0 {
			d.reportAt(at.child("on"), "is empty", "leave it out to be told what matters, or take the service out")
		}
		if n.Remind != 0 && n.Remind < shortestRemind {
			d.reportAt(at.child("remind"), "must be at least 1h, or off", "")
		}
		d.checkNames(at.child("targets"), "target", n.Targets, targetNames(c))
		if d.opts.CheckNotice != nil {
			for key, t := range map[string][2]string{"title": {n.Template.Title, ""}, "body": {"", n.Template.Body}} {
				if err := d.opts.CheckNotice(t[0], t[1]); err != nil {
					d.reportAt(at.child("template").child(key), err.Error(), "what a template may use is in docs/notices.md")
				}
			}
		}
	}
}

// nameOf gives a service without a name the last part of the reference to its address.
func nameOf(ref string, taken map[string]bool) string {
	_, rest, _ := strings.Cut(ref, ":")
	base := strings.Trim(strings.Map(func(r rune) rune {
		if properName("x" + string(r)) {
			return r
		}
		return '-'
	}, rest[strings.LastIndex(rest, "/")+1:]), "-")
	if !properName(base) {
		base = "notify"
	}
	name := base
	for n := 2; taken[name]; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name
}

// NotifyService gives the service of that name, or nil.
func (c *Config) NotifyService(name string) *Notify {
	if i := slices.IndexFunc(c.Notify, func(n *Notify) bool { return n.Name == name }); i >= 0 {
		return c.Notify[i]
	}
	return nil
}

package server

import (
	"context"
	"slices"
	"testing"

	"groupsyncd/sync/run"
)

func (b *backend) Release(_ context.Context, req run.Release, by string) ([]run.Released, error) {
	return []run.Released{{Target: "chat", Memberships: 7}}, b.note("release %s %s %s %s %s %s %s", req.Source, req.Rule, req.Group, req.Hold, req.Target, req.Reason, by)
}

func (b *backend) Links(_ context.Context, source string, conflicts bool) ([]run.Link, error) {
	return []run.Link{{User: "ana"}}, b.note("links %s %v", source, conflicts)
}

func (b *backend) SetLink(_ context.Context, req run.SetLink, by string) (*run.Link, error) {
	return &run.Link{User: req.User}, b.note("link %s %s %s %s %s %s", req.Source, req.User, req.Account, req.Target, req.Reason, by)
}

func (b *backend) Strangers(_ context.Context, target string) ([]run.Stranger, error) {
	return []run.Stranger{{Target: "chat"}}, b.note("strangers %s", target)
}

func (b *backend) TakeOver(_ context.Context, req run.Takeover, by string) ([]run.TakenOver, error) {
	return []run.TakenOver{{Target: "chat"}}, b.note("takeover %s %s %s %s %s", req.Group, req.User, req.Target, req.Reason, by)
}

func (b *backend) ListGroups(_ context.Context, source string, unmatched bool) ([]run.DirectoryGroup, error) {
	return []run.DirectoryGroup{{Name: "sales"}}, b.note("groups %s %v", source, unmatched)
}

func (b *backend) ListUsers(_ context.Context, source string, unmatched bool) ([]run.DirectoryUser, error) {
	return []run.DirectoryUser{{Name: "Ana"}}, b.note("users %s %v", source, unmatched)
}

// TestEveryDecisionReachesTheDaemonWithWhoTheKernelSaysTheCallerIs: what a client claims
// about itself counts for nothing.
func TestEveryDecisionReachesTheDaemonWithWhoTheKernelSaysTheCallerIs(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	ctx := t.Context()
	released, err := c.Release(ctx, run.Release{Source: "a b", Rule: "r", Group: "g", Hold: "h", Target: "t", Reason: "why"}, "liar")
	if err != nil || len(released) != 1 || released[0].Memberships != 7 {
		t.Errorf("release: %v, %v", released, err)
	}
	link, err := c.SetLink(ctx, run.SetLink{Source: "s", User: "ana", Account: "a", Target: "t", Reason: "why"}, "liar")
	if err != nil || link.User != "ana" {
		t.Errorf("link: %v, %v", link, err)
	}
	taken, err := c.TakeOver(ctx, run.Takeover{Group: "g", User: "u", Target: "t", Reason: "why"}, "liar")
	if err != nil || len(taken) != 1 {
		t.Errorf("takeover: %v, %v", taken, err)
	}
	if links, err := c.Links(ctx, "a&b", true); err != nil || len(links) != 1 {
		t.Errorf("links: %v, %v", links, err)
	}
	if all, err := c.Strangers(ctx, "x y"); err != nil || len(all) != 1 {
		t.Errorf("strangers: %v, %v", all, err)
	}
	if all, err := c.ListGroups(ctx, "corp", false); err != nil || len(all) != 1 {
		t.Errorf("groups: %v, %v", all, err)
	}
	if all, err := c.ListUsers(ctx, "", true); err != nil || len(all) != 1 {
		t.Errorf("users: %v, %v", all, err)
	}
	want := []string{"release a b r g h t why " + me(t), "link s ana a t why " + me(t), "takeover g u t why " + me(t),
		"links a&b true", "strangers x y", "groups corp false", "users  true"}
	if !slices.Equal(b.asked, want) {
		t.Errorf("asked %q, want %q", b.asked, want)
	}
}

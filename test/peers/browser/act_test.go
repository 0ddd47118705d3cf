//go:build peers

package browser

import (
	"fmt"
	"image"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"groupsyncd/sync/run"
	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/peers/peer"
)

// fill types into a field and sends its form with the return key.
func fill(field chromedp.CSS, text string) []chromedp.Action[chromedp.Void] {
	return []chromedp.Action[chromedp.Void]{chromedp.Focus(field), chromedp.SendKeys(field, text+"\r")}
}

// walk presses the tabulator until something has the focus.
func (b *tab) walk(to string) {
	b.Helper()
	var met []string
	for range 60 {
		b.press(kb.Tab)
		at := b.focused()
		if strings.Contains(at, to) {
			if outline := eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"); outline == "none" {
				b.Errorf("nobody sees that %s has the focus", at)
			}
			return
		}
		met = append(met, at)
	}
	b.Fatalf("the tabulator leads to %q, and not to %s", met, to)
}

func TestAHoldIsLetThroughWithTheKeyboardAlone(t *testing.T) {
	w := newWorld(t)
	w.trouble()
	w.serve()
	hold := w.Hold(t, run.Emptied)
	b := newChrome(t).open(t, w.base)
	b.screen(1280, "light")
	b.visit("/holds/" + hold.Hash)
	b.walk("Skip to the content")
	b.walk("Sign in to decide")
	b.press(kb.Enter)
	b.until("The token of a name under")
	b.walk("INPUT token")
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), aliceToken))
	b.press(kb.Enter)
	b.until("Why is this right?")
	b.walk("INPUT reason")
	b.press(kb.Enter)
	if at := b.focused(); at != "INPUT reason" {
		t.Errorf("without a reason the focus is at %q", at)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#reason"), "support moved to another company, ticket 4711"))
	b.press(kb.Enter)
	b.until("Let through as alice: " + fmt.Sprint(len(hold.Keys)) + " changes at chat")
	b.until("What it did")
	peer.Until(t, "the hold is let through", func() bool {
		for _, g := range w.chat.Groups() {
			if g.Name == hold.Changes[0].Group.Name {
				return len(g.Members) < len(hold.Keys) || len(g.Members) == 0
			}
		}
		return false
	})
	if out := w.Program.Run(t, "audit", "export").Out; !strings.Contains(out, "ticket 4711") || !strings.Contains(out, "alice (token)") {
		t.Error("the audit does not say who decided, and why")
	}
	b.walk("Sign out")
	b.press(kb.Enter)
	b.until("The token of a name under")
	b.visit("/holds")
	if text := b.text(); strings.Contains(text, "Sign out") {
		t.Errorf("still signed in: %s", text)
	}
	b.quiet("deciding")
}

func TestARunIsFollowedAsItGoesOn(t *testing.T) {
	w := newWorld(t)
	w.serve()
	b := newChrome(t).open(t, w.base)
	b.screen(1280, "light")
	b.signIn(aliceToken)
	// Each call takes a while, and there are some.
	w.chat.Inject(openwebuitest.Fault{Method: http.MethodPost, Path: "/api/v1/groups/id/*/users/add", Latency: 400 * time.Millisecond})
	groups := map[string][]string{"archive": w.people[40:44]}
	for i := range 12 {
		groups[fmt.Sprintf("prj-%02d", i)] = w.people[i : i+8]
	}
	w.Write(t, "projects.yaml", w.file(groups))
	b.do(chromedp.Click(chromedp.CSS(`form[action="/sync"] button`)))
	b.until("Begun as alice")
	b.until("goes on")
	var seen []float64
	peer.Until(t, "the progress moves", func() bool {
		at, err := chromedp.Run(b.ctx, chromedp.Evaluate[float64]("document.querySelector('progress')?.value ?? -1"))
		if err == nil && at > 0 && (len(seen) == 0 || seen[len(seen)-1] < at) {
			seen = append(seen, at)
		}
		return len(seen) >= 3
	})
	if os.Getenv(pictures) != "" {
		keep(t, map[string]image.Image{"following-1280-light": decoded(t, b.picture(1280))})
	}
	// The page turns into the report by itself.
	b.until("What it did")
	b.until("12 groups created")
	b.quiet("following a run")
}

func TestNothingNeedsJavaScript(t *testing.T) {
	w := newWorld(t)
	w.trouble()
	w.serve()
	b := newChrome(t).open(t, w.base)
	b.scripts(false)
	b.signIn(aliceToken)
	for _, s := range w.sights() {
		b.visit(s.path)
		if n := eval[int](b, "document.querySelector('main').innerText.length"); n < 40 {
			t.Errorf("%s says next to nothing: %d letters", s.path, n)
		}
	}
	hold := w.Hold(t, run.Emptied)
	b.visit("/holds/" + hold.Hash)
	b.do(fill("#reason", "ticket 4712")...)
	b.until("Let through as alice")
	peer.Until(t, "the run is there", func() bool {
		b.visit(eval[string](b, "location.pathname"))
		return strings.Contains(b.text(), "What it did")
	})
	b.quiet("without scripts")
}

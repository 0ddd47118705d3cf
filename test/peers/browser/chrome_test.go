//go:build peers

package browser

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	devlog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"groupsyncd/test/peers/peer"
)

// chrome is a running browser.
type chrome struct {
	ctx context.Context
	axe string
}

// newChrome starts the browser, which ends with the test. It may speak to this machine alone.
func newChrome(t *testing.T) *chrome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(peer.Root(t), "test", "peers", "browser.sh"), "where")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("browser.sh where: %v", err)
	}
	path, axe, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	script, err := os.ReadFile(axe)
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	all, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(all)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return &chrome{ctx: ctx, axe: string(script)}
}

// tab is one open page, with what it complained about.
type tab struct {
	*testing.T
	ctx  context.Context
	base string
	axe  string

	mu       sync.Mutex
	problems []string
}

// open opens a tab in a profile of its own, without cookies of others.
func (c *chrome) open(t *testing.T, base string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	b := &tab{T: t, ctx: ctx, base: base, axe: c.axe}
	b.do() // The first use must have no bound of its own.
	var stop func()
	b.ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	call(b, devlog.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	return b
}

// listen notes whatever a console shows, and each request that leaves for somebody else.
func (b *tab) listen(ev any) {
	note := func(what string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.problems = append(b.problems, what)
	}
	switch ev := ev.(type) {
	case *devlog.EventEntryAdded:
		// A page of a refusal has the status of one, which the console shows as an error.
		// Advice is of the level verbose.
		if ev.Entry.Source != "network" && ev.Entry.Level != "verbose" {
			note(string(ev.Entry.Source) + ": " + ev.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		note("console: " + string(ev.Type))
	case *runtime.EventExceptionThrown:
		note("exception: " + ev.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(ev.Request.URL, b.base+"/") {
			note("a request to " + ev.Request.URL)
		}
	}
}

// call sends a command that no action is for.
func call[P, R any](b *tab, c cdp.Command[P, R], params P) R {
	b.Helper()
	r, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, c, params) })
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// visit opens an address and waits until it is there.
func (b *tab) visit(path string) {
	b.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// quiet fails the test for whatever the page complained about.
func (b *tab) quiet(where string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.Errorf("%s: %s", where, p)
	}
	b.problems = nil
}

// eval gives what an expression comes to in the page.
func eval[T any](b *tab, js string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// screen sets the width of the window and what the system prefers.
func (b *tab) screen(width int64, scheme string) {
	b.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 600})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// text gives what a page says.
func (b *tab) text() string {
	b.Helper()
	return eval[string](b, "document.body.innerText")
}

// until waits for a page to say something.
func (b *tab) until(what string) {
	b.Helper()
	peer.Until(b.T, "the page says "+what, func() bool {
		text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
		return err == nil && strings.Contains(text, what) // An error: it is just on the way to another page.
	})
}

// scripts switches JavaScript on or off.
func (b *tab) scripts(on bool) {
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// press presses a key with nothing else.
func (b *tab) press(key string) { b.do(chromedp.KeyEvent(key)) }

// focused says what has the focus.
func (b *tab) focused() string {
	return eval[string](b, "(e => e ? e.tagName + ' ' + (e.id || e.textContent.trim().slice(0, 40)) : '')(document.activeElement)")
}

// picture takes the page as an image, as long as it is, up to some height.
func (b *tab) picture(width int64) []byte {
	b.Helper()
	high := eval[int64](b, "Math.ceil(document.documentElement.scrollHeight)")
	beyond := true
	return call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond,
		Clip: &page.Viewport{Width: float64(width), Height: float64(min(high, 950+350*(1280-width)/890)), Scale: 1}}).Data
}

// violation is what axe found.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	}
}

// accessible fails the test for whatever axe finds. What does not depend on colours is the
// same in both schemes, and is looked at once.
func (b *tab) accessible(where, scheme string) {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void]("if (!window.axe) {" + b.axe + "}; void 0"))
	only := ""
	if scheme == "dark" {
		only = `, runOnly: {type: "tag", values: ["cat.color"]}`
	}
	text := eval[string](b, `axe.run(document, {resultTypes: ["violations"]`+only+`}).then(r => JSON.stringify(r.violations))`)
	var found []violation
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.Fatal(err)
	}
	for _, v := range found {
		for _, n := range v.Nodes {
			b.Errorf("%s: %s: %s\n%s\n%s", where, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

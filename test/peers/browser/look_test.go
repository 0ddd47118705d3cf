//go:build peers

package browser

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"testing"

	"groupsyncd/sync/run"
	"groupsyncd/test/peers/peer"
)

// sight is a page to look at.
type sight struct{ name, path string }

func (w *world) sights() []sight {
	w.Helper()
	hold := w.Hold(w.T, run.Emptied)
	var list struct{ Runs []run.Report }
	w.Program.Run(w.T, "history", "-o", "json").Decode(w.T, &list)
	first := list.Runs[len(list.Runs)-1].Run
	return []sight{{"status", "/"}, {"runs", "/runs"}, {"run", "/runs/" + first}, {"holds", "/holds"}, {"hold", "/holds/" + hold.Hash},
		{"people", "/users?q=an"}, {"person", "/users/" + mail(w.people[9])}, {"groups", "/groups"}, {"group", "/groups/Engineering"},
		{"progress", "/progress"}, {"sign-in", "/signin"}, {"not-found", "/users/nobody@example.org"}}
}

func TestEveryPageIsGoodToLookAt(t *testing.T) {
	w := newWorld(t)
	w.trouble()
	w.serve()
	b := newChrome(t).open(t, w.base)
	b.signIn(aliceToken)
	shots := map[string]image.Image{}
	for _, s := range w.sights() {
		b.visit(s.path)
		for _, width := range []int64{1280, 390} {
			for _, scheme := range []string{"light", "dark"} {
				where := fmt.Sprintf("%s at %d, %s", s.path, width, scheme)
				b.screen(width, scheme)
				if wide := eval[int64](b, "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"); wide > width {
					t.Errorf("%s is %d wide: %s", where, wide, eval[string](b, tooWide))
				}
				b.accessible(where, scheme)
				b.quiet(where)
				if os.Getenv(pictures) != "" {
					shots[fmt.Sprintf("%s-%d-%s", s.name, width, scheme)] = decoded(t, b.picture(width))
				}
			}
		}
	}
	keep(t, shots)
}

// tooWide names what sticks out at the right.
const tooWide = `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n")`

func (b *tab) signIn(token string) {
	b.Helper()
	b.visit("/signin")
	b.do(fill("#token", token)...)
	b.until("What to do next")
}

func TestTheFirstPaintIsFast(t *testing.T) {
	w := newWorld(t)
	w.trouble()
	w.serve()
	chrome := newChrome(t)
	// The budget is 100 ms; where even a page of one word takes longer than on a machine that
	// does nothing else, three times of that.
	most := max(100, 3*firstPaints(chrome.open(t, bare(t)), "/")[0])
	b := chrome.open(t, w.base)
	b.screen(1280, "light")
	for _, path := range []string{"/", "/groups", "/holds/" + w.Hold(t, run.Emptied).Hash} {
		if all := firstPaints(b, path); all[0] > most {
			t.Errorf("%s: nothing is painted before %.0f ms, and %.0f are allowed", path, all[0], most)
		}
	}
}

// firstPaints opens a page a few times and gives when something was painted, in milliseconds,
// sorted.
func firstPaints(b *tab, path string) []float64 {
	b.Helper()
	var all []float64
	for range 9 {
		b.visit(path)
		peer.Until(b, "something is painted", func() bool { return eval[int](b, `performance.getEntriesByName("first-contentful-paint").length`) > 0 })
		all = append(all, eval[float64](b, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
	}
	sort.Float64s(all)
	b.Logf("%s%s: first paint after %.0f ms in the middle of %.0f", b.base, path, all[len(all)/2], all)
	return all
}

// bare serves a page of one word, as a measure of what the browser needs by itself.
func bare(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>bare</title><p>word") // Who does not get it paints nothing.
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func decoded(t *testing.T, data []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// pictures names the folder for pictures, in the environment.
const pictures = "GROUPSYNCD_SCREENSHOTS"

// keep writes the pictures where GROUPSYNCD_SCREENSHOTS says, with few colours so that they
// are small.
func keep(t *testing.T, shots map[string]image.Image) {
	t.Helper()
	dir := os.Getenv(pictures)
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	for name, img := range shots {
		var b bytes.Buffer
		if err := enc.Encode(&b, reduced(img)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".png"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// reduced gives a picture with the colours that it has most of; a page has few.
func reduced(img image.Image) image.Image {
	b := img.Bounds()
	rgba := image.NewRGBA(b)
	draw.Draw(rgba, b, img, b.Min, draw.Src)
	counts := map[color.RGBA]int{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			counts[rgba.RGBAAt(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(counts), func(p, q color.RGBA) int {
		return cmp.Or(counts[q]-counts[p], cmp.Compare(p.R, q.R), cmp.Compare(p.G, q.G), cmp.Compare(p.B, q.B))
	})
	var palette color.Palette
	for _, c := range all[:min(len(all), 96)] {
		palette = append(palette, c)
	}
	out := image.NewPaletted(b, palette)
	index := map[color.RGBA]uint8{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := rgba.RGBAAt(x, y)
			i, known := index[c]
			if !known {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	return out
}

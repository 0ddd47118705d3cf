package web

import (
	"cmp"
	"fmt"
	"slices"

	"groupsyncd/sync/run"
)

// Drawing leads from directory groups by rules to groups of Open WebUI, from the left to the
// right. The table beside it says the same in words.
type Drawing struct {
	Width, Height int
	Boxes         []Box
	Lines         []Line
	Heads         []Box
}

// Box is one group or rule.
type Box struct {
	X, Y, W, H   int
	Text, Detail string
	Kind, Link   string
	TextX        int
	TextY        int
	DetailY      int
}

// Line connects two boxes.
type Line struct{ Path string }

const (
	boxWide, boxHigh, boxApart = 250, 44, 12
	columnApart                = 105
	drawingHead                = 30
	// fits is how many letters a box has room for.
	fits = 31
)

// node is a box that has not got its place.
type node struct {
	key          string
	box          Box
	sum, n, rank int
}

// column gathers nodes, each once.
type column struct {
	by    map[string]*node
	order []*node
}

func (c *column) add(key string, b Box, beside int) *node {
	if c.by == nil {
		c.by = map[string]*node{}
	}
	n := c.by[key]
	if n == nil {
		n = &node{key: key, box: b}
		c.by[key] = n
		c.order = append(c.order, n)
	}
	n.sum += beside
	n.n++
	return n
}

// settle orders the nodes by where those beside them are, and numbers them.
func (c *column) settle() {
	slices.SortStableFunc(c.order, func(a, b *node) int { return cmp.Compare(a.sum*b.n, b.sum*a.n) })
	for i, n := range c.order {
		n.rank = i
	}
}

// Draw draws where directory groups lead to.
func Draw(groups []run.DirectoryGroup) Drawing {
	type edge struct{ a, b *node }
	var left, middle, right column
	var ruled, led []edge
	for i := range groups {
		g := &groups[i]
		if len(g.Rules) == 0 {
			continue
		}
		l := left.add(g.Source+"\x00"+g.ID, Box{Kind: "source", Text: g.Name, Detail: g.Source + ", " + plural(g.Members, "member")}, i)
		for _, t := range g.Rules {
			m := middle.add(t.Rule, Box{Kind: "rule", Text: t.Rule, Detail: "rule"}, i)
			r := right.add(t.Target+"\x00"+cmp.Or(t.Group.ID, "\x00"+t.Group.Name), Box{Kind: "group", Text: t.Group.Name, Detail: detail(&t), Link: GroupPath(t.Group.ID, t.Group.Name)}, i)
			ruled = append(ruled, edge{l, m})
			led = append(led, edge{m, r})
		}
	}
	rows := 0
	for _, c := range []*column{&left, &middle, &right} {
		c.settle()
		rows = max(rows, len(c.order))
	}
	d := Drawing{Width: 3*boxWide + 2*columnApart, Height: drawingHead + rows*(boxHigh+boxApart)}
	for x, c := range []*column{&left, &middle, &right} {
		d.column(c, x*(boxWide+columnApart), rows)
	}
	seen := map[string]bool{}
	for _, e := range append(ruled, led...) {
		p := curve(&e.a.box, &e.b.box)
		if !seen[p] {
			seen[p] = true
			d.Lines = append(d.Lines, Line{p})
		}
	}
	for x, text := range []string{"Directory group", "Rule", "Group in Open WebUI"} {
		d.Heads = append(d.Heads, Box{X: x * (boxWide + columnApart), Y: 14, Text: text})
	}
	return d
}

func detail(t *run.Taker) string {
	if t.Group.ID == "" {
		return t.Target + ", not there yet"
	}
	return t.Target
}

// column gives the nodes of a column their places, in the middle of the height.
func (d *Drawing) column(c *column, x, rows int) {
	top := drawingHead + (rows-len(c.order))*(boxHigh+boxApart)/2
	for _, n := range c.order {
		y := top + n.rank*(boxHigh+boxApart)
		n.box.X, n.box.Y, n.box.W, n.box.H = x, y, boxWide, boxHigh
		n.box.TextX, n.box.TextY, n.box.DetailY = x+14, y+19, y+34
		n.box.Text, n.box.Detail = Plain(n.box.Text, fits), Plain(n.box.Detail, fits+6)
		d.Boxes = append(d.Boxes, n.box)
	}
}

func curve(a, b *Box) string {
	x1, y1, x2, y2 := a.X+a.W, a.Y+a.H/2, b.X, b.Y+b.H/2
	mid := (x1 + x2) / 2
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, mid, y1, mid, y2, x2, y2)
}

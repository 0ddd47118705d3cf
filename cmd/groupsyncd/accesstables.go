package main

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/permission"
	"groupsyncd/sync/access"
)

func (c *command) accessUser(u *access.User, full bool) {
	c.line("%s on %s: role %s%s", whom(&u.User), u.Target, u.Role, c.givenBy(&u.RoleFrom))
	c.memberOf(u.Groups)
	c.line("")
	c.permissions(u.Permissions, full)
	c.line("")
	c.resources(u.Resources, "no model, knowledge, prompt, tool or skill", full)
	if len(u.WriteOnly) > 0 {
		c.line("")
		c.line("may change these without seeing them:")
		c.resources(u.WriteOnly, "", full)
	}
	if len(u.Owns) > 0 {
		c.line("")
		c.owns(u.Owns, full)
	}
	if u.Change != nil {
		c.line("")
		c.change(u.Change, full)
	}
	c.notes(&u.Picture)
}

// givenBy says who gave a role, where it was groupsyncd.
func (c *command) givenBy(r *access.RoleFrom) string {
	if r.By != access.ByUs {
		return ""
	}
	return ", from groupsyncd since " + c.when(r.Since) + ": " + r.Why
}

func whom(p *access.Person) string {
	if p.Name == "" || p.Name == p.Email {
		return or(p.Email, p.ID)
	}
	return p.Name + " <" + or(p.Email, p.ID) + ">"
}

func (c *command) memberOf(groups []access.Membership) {
	if len(groups) == 0 {
		c.line("in no group")
		return
	}
	var names []string
	for i := range groups {
		name := groups[i].Name
		if len(groups[i].Via) > 0 {
			name += " (through " + strings.Join(groups[i].Via, ", ") + ")"
		}
		names = append(names, name)
	}
	c.line("in %s", strings.Join(names, ", "))
}

// permissions shows first what groups give, then what everybody has, and then what is
// refused.
func (c *command) permissions(rights map[string]permission.Right, full bool) {
	var special, common, refused [][]string
	for _, key := range slices.Sorted(maps.Keys(rights)) {
		switch r := rights[key]; {
		case !r.Allowed:
			refused = append(refused, []string{key, "no", "-"})
		case slices.Equal(r.From, []string{access.FromDefault}):
			common = append(common, []string{key, "yes", access.FromDefault})
		default:
			special = append(special, []string{key, "yes", strings.Join(r.From, ", ")})
		}
	}
	c.line("%d of %s allowed", len(special)+len(common), plural(len(rights), "permission"))
	if len(special)+len(common) == 0 && !full {
		return
	}
	c.long([]string{"PERMISSION", "ALLOWED", "FROM"}, slices.Concat(special, common, refused), full)
}

func (c *command) resources(all []access.Resource, none string, full bool) {
	if len(all) == 0 {
		c.line("%s", none)
		return
	}
	var rows [][]string
	for i := range all {
		r := &all[i]
		from := strings.Join(r.From, ", ")
		if len(r.ReadFrom) > 0 {
			from += "; read: " + strings.Join(r.ReadFrom, ", ")
		}
		note := r.Unusable
		if r.Hidden && r.Permission == "read" {
			note = "in no list, opens by its id"
		}
		rows = append(rows, []string{r.Type + "/" + r.ID, r.Name, r.Permission, from, note})
	}
	c.long(filled([]string{"RESOURCE", "NAME", "MAY", "FROM", "BUT"}, rows), rows, full)
}

// filled leaves out the last column of a table where it is empty.
func filled(head []string, rows [][]string) []string {
	last := len(head) - 1
	if slices.ContainsFunc(rows, func(r []string) bool { return r[last] != "" }) {
		return head
	}
	for i := range rows {
		rows[i] = rows[i][:last]
	}
	return head[:last]
}

func (c *command) owns(all []access.Owned, full bool) {
	c.line("owns %s, and keeps it whatever groups they leave:", plural(len(all), "resource"))
	var rows [][]string
	for _, o := range all {
		rows = append(rows, []string{o.Type + "/" + o.ID, o.Name})
	}
	c.long([]string{"RESOURCE", "NAME"}, rows, full)
}

func (c *command) change(ch *access.Change, full bool) {
	var parts []string
	if len(ch.With) > 0 {
		parts = append(parts, "with "+strings.Join(ch.With, ", "))
	}
	if len(ch.Without) > 0 {
		parts = append(parts, "without "+strings.Join(ch.Without, ", "))
	}
	what := strings.Join(parts, " and ")
	var rows [][]string
	add := func(sign string, r *access.Rights) {
		for _, key := range r.Permissions {
			rows = append(rows, []string{sign, key, "", ""})
		}
		for i := range r.Resources {
			rows = append(rows, []string{sign, r.Resources[i].Type + "/" + r.Resources[i].ID, r.Resources[i].Permission, r.Resources[i].Name})
		}
	}
	add("loses", &ch.Lost)
	add("gains", &ch.Gained)
	if len(rows) == 0 {
		c.line("%s: nothing would change", what)
	} else {
		c.line("%s:", what)
		c.long([]string{"WOULD", "WHAT", "MAY", "NAME"}, rows, full)
	}
	for _, note := range ch.Notes {
		c.line("note: %s", note)
	}
}

func (c *command) notes(p *access.Picture) {
	for _, note := range p.Notes {
		c.line("note: %s", note)
	}
}

// long is a table of which only the beginning is shown, unless all of it is asked for.
func (c *command) long(head []string, rows [][]string, full bool) {
	shown := rows
	if !full {
		shown = rows[:min(len(rows), shownLines)]
	}
	c.table(head, shown)
	c.rest(len(rows)-len(shown), "--full")
}

func (c *command) accessGroup(g *access.Group, full bool) {
	c.line("group %s on %s: %s", g.Group.Name, g.Target, plural(g.Members, "member"))
	if g.Inherited > 0 {
		c.line("%s more through groups below it", plural(g.Inherited, "member"))
	}
	if len(g.Above) > 0 {
		c.line("below %s", refNames(g.Above))
	}
	if len(g.Below) > 0 {
		c.line("above %s", refNames(g.Below))
	}
	c.line("")
	c.permissions(g.Permissions, full)
	c.line("")
	c.resources(g.Resources, "no model, knowledge, prompt, tool or skill", full)
	if len(g.WriteOnly) > 0 {
		c.line("")
		c.line("its members may change these without seeing them:")
		c.resources(g.WriteOnly, "", full)
	}
	c.notes(&g.Picture)
}

func refNames(refs []access.GroupRef) string {
	var names []string
	for _, r := range refs {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

func (c *command) accessWho(h *access.Holders, full bool) {
	what := h.What
	if h.Name != "" && !strings.HasSuffix(h.What, "/"+h.Name) {
		what += " (" + h.Name + ")"
	}
	c.line("%s on %s: %s", what, h.Target, plural(len(h.People), "person"))
	if len(h.Everybody) > 0 {
		c.line("everybody who may sign in has it: %s", strings.Join(h.Everybody, ", "))
	}
	givers := slices.SortedFunc(maps.Keys(h.Counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(h.Counts[b], h.Counts[a]), cmp.Compare(a, b))
	})
	if len(givers) > 1 {
		var rows [][]string
		for _, from := range givers {
			rows = append(rows, []string{from, strconv.Itoa(h.Counts[from])})
		}
		c.long([]string{"FROM", "PEOPLE"}, rows, full)
		c.line("")
	}
	var rows [][]string
	for i := range h.People {
		if i == shownLines && !full {
			break
		}
		p := &h.People[i]
		since := "-"
		if !p.Since.IsZero() {
			since = p.Since.Local().Format("2006-01-02 15:04:05")
		}
		row := []string{or(p.Email, p.ID), p.Name, p.Role}
		if h.Kind == access.KindResource {
			row = append(row, p.Permission)
		}
		rows = append(rows, append(row, strings.Join(p.From, ", "), since, p.Note))
	}
	head := []string{"ACCOUNT", "NAME", "ROLE", "FROM", "SINCE", "NOTE"}
	if h.Kind == access.KindResource {
		head = slices.Insert(head, 3, "MAY")
	}
	c.table(filled(head, rows), rows)
	if !full {
		c.rest(len(h.People)-shownLines, "--full")
	}
	c.notes(&h.Picture)
}

// accessReport writes the rows as they come: there may be millions.
func (c *command) accessReport(r *access.Report, full bool) error {
	switch c.output {
	case "csv":
		return c.reportCSV(r)
	case "json":
		return c.reportJSON(r)
	case "yaml":
		return c.reportYAML(r)
	}
	var rows [][]string
	count := 0
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		if count++; full || count <= shownLines {
			cells := row.Cells()
			who := or(row.Email, row.ID)
			if row.ID == "" {
				who = row.User // everybody, or all administrators
			}
			rows = append(rows, []string{who, cells[2], cells[3], cells[4], cells[5], cells[6], or(cells[7], "-")})
		}
	}
	c.table([]string{"ACCOUNT", "ROLE", "KIND", "WHAT", "MAY", "FROM", "SINCE"}, rows)
	if !full {
		c.rest(count-shownLines, "--full, -o csv")
	}
	c.notes(&r.Picture)
	return nil
}

func (c *command) reportCSV(r *access.Report) error {
	w := csv.NewWriter(c.Out)
	if err := w.Write(access.Columns()); err != nil {
		return written(err)
	}
	for row, err := range r.Rows {
		if err != nil {
			w.Flush()
			return err
		}
		cells := row.Cells()
		for i := range cells {
			cells[i] = inert(cells[i])
		}
		if err := w.Write(cells); err != nil {
			return written(err)
		}
	}
	w.Flush()
	return written(w.Error())
}

// inert keeps a spreadsheet from taking a cell for a formula: names come from directories,
// and from whoever may write there.
func inert(cell string) string {
	cell = harmless(cell)
	if strings.ContainsAny(cell[:min(len(cell), 1)], "=+-@\t\r\n|%") {
		return "'" + cell
	}
	return cell
}

// reportJSON writes one object, as -o json does elsewhere, without holding its rows.
func (c *command) reportJSON(r *access.Report) error {
	head, err := json.Marshal(r)
	if err != nil {
		return written(err)
	}
	out := bufio.NewWriterSize(c.Out, 64<<10)
	put := func(texts ...string) {
		for _, text := range texts {
			out.WriteString(text) //nolint:errcheck,gosec // a writer that failed says so when it is flushed
		}
	}
	put(strings.TrimSuffix(string(head), "}"), `,"rows":[`)
	between := "\n"
	for row, err := range r.Rows {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		b, err := json.Marshal(row)
		if err != nil {
			return written(err)
		}
		put(between, string(b))
		between = ",\n"
	}
	put("\n]}\n")
	return written(out.Flush())
}

// batchRows is how many rows of YAML are made at a time.
const batchRows = 500

// reportYAML writes the rows as a list below the rest, some at a time.
func (c *command) reportYAML(r *access.Report) error {
	if err := c.printYAML(r); err != nil {
		return err
	}
	var batch []access.Row
	begun := false
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		if !begun {
			begun = true
			c.line("rows:")
		}
		if batch = append(batch, row); len(batch) == batchRows {
			if err := c.printYAML(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	switch {
	case !begun:
		c.line("rows: []")
	case len(batch) > 0:
		return c.printYAML(batch)
	}
	return nil
}

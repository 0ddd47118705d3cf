package layers

import (
	"fmt"
	"slices"
	"strings"
)

// module is the path that all packages of this module begin with.
const module = "groupsyncd/"

// place says where a package stands.
type place struct {
	path  string // Without the module.
	layer int
	// order ranks packages of one layer that may see each other; 0 sees no other.
	order int
	// family is the folder whose packages belong together.
	family string
	// adapter marks the packages that only their wiring may import.
	adapter bool
	// suite marks test servers and conformance suites.
	suite bool
	// pure marks packages without I/O, logger or libraries.
	pure bool
}

// outside is the layer of packages under test, which see everything.
const outside = 9

// find says where a package stands, or that the table does not know it.
func find(path string) (place, bool) {
	p := place{path: strings.TrimPrefix(path, module)}
	parts := strings.Split(p.path, "/")
	p.family = parts[0]
	switch {
	case p.path == "directory":
		p.order, p.pure = 1, true
	case p.path == "permission":
		p.order, p.pure = 2, true
	case p.path == "sync/run":
		p.order, p.pure, p.family = 3, true, p.path
	case p.family == "internal":
		p.suite = p.path == "internal/testkit"
	case p.path == "providers":
		p.layer, p.order = 1, 1
	case p.path == "sync/replica":
		p.layer, p.order, p.pure, p.family = 1, 2, true, p.path
	case p.path == "sync/plan":
		p.layer, p.order, p.pure, p.family = 1, 3, true, p.path
	case p.path == "sync/access":
		p.layer, p.order, p.pure, p.family = 1, 4, true, p.path
	case p.path == "sync/mapping":
		p.layer, p.order, p.family = 2, 1, p.path
	case p.path == "config":
		p.layer, p.order = 2, 2
	case p.path == "providers/all":
		p.layer, p.family = 4, p.path
	case p.path == "state", (p.family == "providers" || p.family == "target") && len(parts) > 1:
		p.family = strings.Join(parts[:min(2, len(parts))], "/")
		p.layer, p.adapter = 2, true
		p.suite = slices.ContainsFunc(parts[1:], func(part string) bool { return strings.HasSuffix(part, "test") })
	case p.family == "sync" && len(parts) > 1 && (parts[1] == "engine" || parts[1] == "schedule" || parts[1] == "notice"):
		p.layer, p.family = 3, "sync/"+parts[1]
		p.suite = strings.HasSuffix(p.path, "test")
	case p.family == "web":
		p.layer, p.order = 4, 1
	case p.family == "server":
		p.layer, p.order = 4, 2
	case p.family == "app":
		p.layer = 5
	case p.family == "cmd":
		p.layer = 6
	case p.family == "test", p.family == "packaging":
		p.layer = outside
	default:
		return place{}, false
	}
	return p, true
}

// judge says in a sentence what is wrong with an import, or nothing. inTest says
// that a test file has it.
func judge(from, to place, inTest bool) string {
	bad := func(why string) string {
		file := ""
		if inTest {
			file = " in a test"
		}
		return fmt.Sprintf("%s imports %s%s: %s", from.path, to.path, file, why)
	}
	switch {
	case from.path == to.path || from.layer == outside:
		return ""
	case inTest && (to.suite || to.layer == outside):
		return ""
	// The stages of a run are tested together: a plan wants rules from mapping.
	case inTest && from.pure && to.path == "sync/mapping":
		return ""
	case to.layer == outside:
		return bad("what is under test is for tests alone")
	case to.suite && from.layer != 6 && !(from.suite && (from.family == to.family || to.family == "providers/providertest")):
		return bad("a suite or test server is for tests, and for the demo in cmd")
	case to.suite:
		return ""
	case to.layer > from.layer:
		return bad(fmt.Sprintf("imports point down only, and layer %d is above layer %d", to.layer, from.layer))
	case to.family == "web" && from.family != "web" && from.family != "server":
		return bad("pages are drawn for server alone")
	case from.family == to.family, inTest:
		return ""
	case from.family == "internal":
		return bad("internal packages have no domain knowledge")
	case from.path == "directory":
		return bad("the domain at the bottom uses the standard library only")
	case to.adapter && !wires(from, to):
		return bad("only app, and providers/all for sources, know the concrete adapters")
	case to.layer == from.layer && (to.order == 0 || to.order > from.order) && to.family != "internal":
		return bad(fmt.Sprintf("both are in layer %d, where neither may see the other this way round", from.layer))
	}
	return ""
}

// wires says whether a package may put that adapter into place.
func wires(from, to place) bool {
	return from.layer == 5 || from.path == "providers/all" && strings.HasPrefix(to.family, "providers/")
}

// judgeForeign says what is wrong with an import from outside the module.
func judgeForeign(from place, path string, standard bool) string {
	if !from.pure {
		return ""
	}
	if !standard {
		return fmt.Sprintf("%s imports %s: it uses the standard library only", from.path, path)
	}
	unfit := func(tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }
	if slices.ContainsFunc([]string{"io/fs", "log", "math/rand", "net", "os", "syscall"}, unfit) {
		return fmt.Sprintf("%s imports %s: it is pure, without I/O, logger or chance", from.path, path)
	}
	return ""
}

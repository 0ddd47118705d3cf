package plan_test

import "testing"

// TestMembersInDoubtWaitForANewTokenWhereTheLastIsOld: what a source of single people showed
// of somebody long ago does not say whether it grants them what they have.
func TestMembersInDoubtWaitForANewTokenWhereTheLastIsOld(t *testing.T) {
	t.Parallel()
	w := tokens(t)
	w.byHand("sales", "ann", "bob", "cid")
	w.signs("oidc", map[string]string{"cid": "cid"})
	n, _ := w.mem.Mirror.Number("a-cid")
	w.mem.Lost[w.group("sales").ID] = []uint32{n}
	w.token("sso", 1, 1, "cid", "other")
	w.now = at(200)
	expect(t, w.run())
	w.token("sso", 201, 200, "cid", "other")
	expect(t, w.run(), "remove_member sales cid held state_lost")
}

package main

import "slices"

// clients are the guards between a source and the servers that it asks: where credentials go,
// and that what was not read is not taken for nothing.
func clients() []mutation {
	const httpx, oauth = "internal/httpx/", "internal/oauth/"
	return slices.Concat(in("8 addresses", "internal/httpx", []mutation{
		{name: "a server leads to itself only", file: httpx + "address.go", old: "if !sameOrigin(to, u) || to.User != nil {", new: "if to.User != nil {", run: "TestAddressesOfTheServerStayOnIt"},
		{name: "an address of a server holds nobody's name", file: httpx + "address.go", old: "if !sameOrigin(to, u) || to.User != nil {", new: "if !sameOrigin(to, u) {", run: "TestAddressesOfTheServerStayOnIt"},
		{name: "https stays https", file: httpx + "address.go", old: "return a.Scheme == b.Scheme && a.Opaque", new: "return a.Opaque", run: "TestAddressesOfTheServerStayOnIt"},
		{name: "a port is part of a server", file: httpx + "address.go", old: " && portOf(a) == portOf(b)", new: "", run: "TestAddressesOfTheServerStayOnIt"},
		{name: "a part of an address belongs to its page", file: httpx + "address.go", old: `if ref.Host == "" && q.Path == "" && (`, new: `if ref.Host == "x" && (`, run: "TestAddressesOfTheServerStayOnIt"},
		{name: "an id is no way up", file: httpx + "address.go", old: `plain == "" || plain == "." || plain == ".." {`, new: `plain == "" {`, run: "TestIDsInPathsLeadNowhereElse"},
		{name: "an id is not empty", file: httpx + "address.go", old: `plain == "" || plain == "."`, new: `plain == "."`, run: "TestIDsInPathsLeadNowhereElse"},
		{name: "a redirect stays on its server", file: httpx + "httpx.go", old: "!sameOrigin(req.URL, from.URL) || ", new: "", run: "TestTheKeyGoesToNoOtherServer"},
		{name: "clouds are asked over TLS", file: httpx + "httpx.go", old: "if err == nil && InClear(u) {", new: "if false {", run: "TestOnlyThisMachineIsReachedWithoutTLS"},
		{name: "a query is nobody's business", file: httpx + "do.go", old: "return Shorten(u.EscapedPath(), 200)", new: "return Shorten(u.RequestURI(), 200)", run: "TestErrorsAboutAServersAddressHoldNoQuery"},
	}...), in("8 reach", "internal/httpx", []mutation{
		{name: "public names lead to public addresses", file: httpx + "transport.go", old: "|| !r.Private && private(a) {", new: "{", run: "TestReach"},
		{name: "a cloud's own service is asked by nobody", file: httpx + "transport.go", old: "if special(a) || ", new: "if ", run: "TestReach"},
		{name: "an address inside of another counts", file: httpx + "transport.go", old: "range append(inside(ip), ip) {", new: "range append(inside(ip)[:0], ip) {", run: "TestReach"},
		{name: "only what is configured is an exception", file: httpx + "transport.go", old: "if strings.EqualFold(name, r.Base.Hostname()) {", new: "if r.Base != nil {", run: "TestReach"},
		{name: "other servers are guarded too", file: httpx + "transport.go", old: "if _, ok := proxies.Load(address); ok {", new: "if name, _, _ := net.SplitHostPort(address); name != r.Base.Hostname() {", run: "TestANameThatLeadsInsideIsNotAsked"},
		{name: "a name that leads inside is not tried again", file: httpx + "network.go", old: "if errors.Is(err, errPrivate) {", new: "if false {", run: "TestANameThatLeadsInsideIsNotAsked"},
	}...), in("8 limits", "internal/httpx", []mutation{
		{name: "a pause holds everybody", file: httpx + "limiter.go", old: "if wait <= 0 {\n\t\t\treturn nil", new: "if wait <= time.Hour {\n\t\t\treturn nil", run: "TestAfterAPauseThereIsNoStorm"},
		{name: "nothing is saved up in a pause", file: httpx + "limiter.go", old: "saved > 0 && l.tokens.Limit() != rate.Inf", new: "saved < 0", run: "TestAfterAPauseThereIsNoStorm"},
		{name: "those who waited are spaced", file: httpx + "limiter.go", old: "after: rate.NewLimiter(afterPause, 1)", new: "after: rate.NewLimiter(rate.Inf, 1)", run: "TestAfterAPauseThereIsNoStorm"},
		{name: "a cost is paid in full", file: httpx + "limiter.go", old: "cost -= part", new: "cost = 0", run: "TestRequestsKeepToTheLimit"},
		{name: "a credential has one limiter", file: httpx + "limiter.go", old: "if l.by[key] == nil {", new: "if true {", run: "TestOneCredentialHasOneLimiter"},
		{name: "no more are under way than may be", file: httpx + "slots.go", old: "if s.used < s.most && len(s.waiting) == 0 {", new: "if len(s.waiting) == 0 {", run: "TestRequestsKeepToTheLimit"},
		{name: "who gives up holds no slot", file: httpx + "slots.go", old: "\t\ts.waiting = slices.Delete(s.waiting, at, at+1)\n", new: "\t\t_ = slices.Clone(s.waiting)\n", run: "TestWaitingForATurnEndsWithItsContext"},
		{name: "a server that says nothing more is left alone", file: httpx + "answer.go", old: "s.rest(untold)", new: "s.rest(0)", run: "TestWhoThrottlesWithoutAWordIsLeftAloneToo|TestWhatAVendorMeansDecides"},
	}...), in("8 answers", "internal/httpx", []mutation{
		{name: "a credential that comes later is waited for", file: httpx + "do.go", old: "if fault.KindOf(unread).Retryable() {", new: "if false {", run: "TestACredentialThatIsExchangedLaterIsWaitedFor"},
		{name: "gone is what the API itself says", file: httpx + "answer.go", old: "case status == http.StatusNotFound && isJSON, ", new: "case status == http.StatusNotFound, ", run: "TestOnlyTheAPIItselfSaysThatAThingIsGone"},
		{name: "pages go round once", file: httpx + "walk.go", old: "if w.seen[mark] {", new: "if false {", run: "TestWalksOverPagesEnd"},
		{name: "pages have an end", file: httpx + "walk.go", old: "w.n > w.Max {", new: "w.n < 0 {", run: "TestWalksOverPagesEnd"},
		{name: "unchanged is no answer to who did not ask", file: httpx + "do.go", old: `resp.StatusCode == http.StatusNotModified && (`, new: `resp.StatusCode == http.StatusNotModified || (`, run: "TestUnchangedIsASuccessOnlyWhenItWasAskedFor"},
	}...), in("8 access tokens", "internal/oauth", []mutation{
		{name: "a secret follows no redirect", file: oauth + "oauth.go", old: "return http.ErrUseLastResponse", new: "return nil", run: "TestSecretsFollowNoRedirect"},
		{name: "credentials lead to Google only", file: oauth + "assertion.go", old: `!strings.HasSuffix(u.Hostname(), ".googleapis.com")`, new: `!strings.HasSuffix(u.Hostname(), "googleapis.com")`, run: "TestCredentialsLeadToGoogleOnly"},
		{name: "also where another endpoint is configured", file: oauth + "assertion.go", old: `if said == "" || said == configured {`, new: `if said == "" || configured != "" {`, run: "TestCredentialsLeadToGoogleOnly"},
		{name: "a refused token is over", file: oauth + "token.go", old: "c.known[0].end = time.Time{}", new: "_ = c.known[0].end", run: "TestRefusedTokenIsNeverGivenAgain"},
		{name: "a refused token does not come back", file: oauth + "token.go", old: "if slices.Contains(c.refused, sha256.Sum256(", new: "if len(c.refused) < 0 && slices.Contains(c.refused, sha256.Sum256(", run: "TestRefusedTokenIsNeverGivenAgain"},
		{name: "whom a server refuses does not ask for each request", file: oauth + "token.go", old: "now.Sub(t.got) < failurePause {", new: "now.Sub(t.got) < 0 {", run: "TestTokenRefusedAtOnceIsNotExchangedAtOnce"},
		{name: "a failure stands for all", file: oauth + "token.go", old: "if c.failed == nil || left <= 0 {", new: "if c.failed == nil || left > 0 {", run: "TestFailureStandsForAFewSeconds"},
		{name: "who gives up takes nobody along", file: oauth + "token.go", old: "func (c *Client) remember(ctx context.Context, err error) error {\n\tif ctx.Err() != nil {", new: "func (c *Client) remember(ctx context.Context, err error) error {\n\tif ctx == nil {", run: "TestWhoGivesUpTakesNobodyAlong"},
		{name: "a token without an end has one", file: oauth + "token.go", old: "life = unknownLife\n", new: "life = 1000 * unknownLife\n", run: "TestTokenIsExchangedShortlyBeforeItsEnd"},
		{name: "a server repeats no secret", file: oauth + "errors.go", old: "r.Code, r.Detail = s.Hide(r.Code), s.Hide(r.Detail)", new: "_ = s.Hide(r.Detail)", run: "TestErrorsHoldNoAssertion"},
		{name: "what x/oauth2 says of an answer is not told", file: oauth + "errors.go", old: `errors.New("the answer holds no access token, or is cut")`, new: `fmt.Errorf("the answer holds no access token, or is cut: %w", err)`, run: "TestRefusalsSayWhatToDo"},
		{name: "a small key is refused", file: oauth + "key.go", old: "ok && r.N.BitLen() < 2048 {", new: "ok && r.N.BitLen() < 512 {", run: "TestKeysThatCannotBeUsedSayWhy"},
		{name: "a certificate is that of its key", file: oauth + "key.go", old: "if !ok || !public.Equal(key.Public()) {", new: "if _ = public; !ok {", run: "TestKeysThatCannotBeUsedSayWhy"},
		{name: "an assertion is for one server", file: oauth + "assertion.go", old: `"aud": cmp.Or(k.Audience, tokenURL), `, new: "", run: "TestKeySignsAFreshAssertionForEachRequest"},
		{name: "an assertion is new", file: oauth + "assertion.go", old: `"jti": rand.Text(),`, new: `"jti": rand.Text()[:0],`, run: "TestKeySignsAFreshAssertionForEachRequest"},
	}...), in("8 bound tokens", "internal/oauth", []mutation{
		{name: "a proof names its token", file: oauth + "dpop.go", old: `claims["ath"] = `, new: `claims["a"] = `, run: "TestBoundTokensGoWithProofs"},
		{name: "a proof is new", file: oauth + "dpop.go", old: `"jti": rand.Text(),`, new: `"jti": rand.Text()[:0],`, run: "TestBoundTokensGoWithProofs"},
		{name: "a proof holds no query", file: oauth + "dpop.go", old: "u.Host + u.EscapedPath(),", new: "u.Host + u.RequestURI(),", run: "TestBoundTokensGoWithProofs"},
		{name: "a bound token is no bearer token", file: oauth + "dpop.go", old: `"DPoP "+access)`, new: `"Bearer "+access)`, run: "TestBoundTokensGoWithProofs"},
		{name: "a nonce is brought", file: oauth + "dpop.go", old: `claims["nonce"] = nonce`, new: `claims["n"] = nonce`, run: "TestBoundTokensGoWithProofs"},
		{name: "a token keeps its key when it is exchanged", file: oauth + "token.go", old: "c.known[1] = c.known[0]", new: "_ = c.known[1]", run: "TestOtherTokensGoAsTheyAre"},
	}...))
}

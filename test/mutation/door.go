package main

import "slices"

// doors gives the guards of the listener for webhooks, of what they brought before, and of
// the people who wait for their runs.
func doors() []mutation {
	const why = "a history has no network"
	serve, take, limits, replays, tls := "server/public_serve.go", "server/public_take.go", "server/public_limits.go", "server/public_replays.go", "server/public_tls.go"
	people, deliveries, public := "app/people.go", "state/deliveries.go", "app/public.go"
	list := slices.Concat(in("3.4 the door", "server",
		mutation{name: "what is not proved is refused", file: serve, old: "\tproof, err := h.Dialect.Verify(r.Context(), req, secrets)\n\tif err != nil {\n\t\treturn p.refuse(h, from, err)\n\t}", new: "\tproof, _ := h.Dialect.Verify(r.Context(), req, secrets)", run: "TestEveryRefusalHasItsStatusAndAsksForNothing"},
		mutation{name: "a wrong secret in the address is a name that nobody has", file: serve, old: "d.status, d.text = http.StatusNotFound, \"not found\"", new: "d.status = http.StatusNotFound", run: "TestEveryRefusalHasItsStatusAndAsksForNothing"},
		mutation{name: "no body is longer than it may be", file: serve, old: "http.MaxBytesReader(w, r.Body, hooks.MaxBody)", new: "r.Body", run: "TestEveryRefusalHasItsStatusAndAsksForNothing"},
		mutation{name: "only the methods of the dialect", file: serve, old: "if !slices.Contains(h.Kind.Methods, r.Method) {", new: "if !slices.Contains(h.Kind.Methods, r.Method) && false {", run: "TestEveryRefusalHasItsStatusAndAsksForNothing"},
		mutation{name: "a short secret opens nothing", file: serve, old: "len(v.Reveal()) < config.MinToken", new: "len(v.Reveal()) < config.MinToken-15", run: "TestASecretThatCannotBeReadOpensNothing"},
		mutation{name: "a bug ends its request alone", file: serve, old: "\t\tif v != nil {\n", new: "\t\tif v != nil {\n\t\t\tpanic(http.ErrAbortHandler)\n\t\t}\n\t\tif v != nil {\n", run: "TestABugInADialectEndsItsRequestAlone"},
		mutation{name: "a sender sends so much and no more", file: limits, old: "case !a.rate.AllowN(now, 1):", new: "case !a.rate.AllowN(now, 0):", run: "TestWhoeverSendsGarbageLeavesRoomForOthers"},
		mutation{name: "all together send so much and no more", file: limits, old: "case !l.all.AllowN(now, 1):", new: "case false:", run: "TestFiftyLoginsASecondOfOneSenderPass"},
		mutation{name: "garbage costs more", file: limits, old: "a.rate.ReserveN(l.now(), blame)", new: "a.rate.ReserveN(l.now(), 0)", run: "TestWhoeverSendsGarbageLeavesRoomForOthers"},
		mutation{name: "another machine does not say who sends", file: limits, old: "if !addr.IsLoopback() {", new: "if false {", run: "TestASenderIsAnAddress.*"},
		mutation{name: "senders are forgotten", file: limits, old: "if len(l.senders) >= maxSenders {", new: "if false {", run: "TestSendersWithoutEndCostLittle"},
		mutation{name: "who sends too much is remembered", file: limits, old: "if a = l.before[s]; a == nil {", new: "if a == nil {", run: "TestSendersWithoutEndCostLittle"},
		mutation{name: "bodies are held within bounds", file: limits, old: "l.held+size > maxHeld || a.held+size > maxHeldEach", new: "a.held+size > maxHeldEach", run: "TestBodiesAreHeldWithinBounds"},
		mutation{name: "those of a sender too", file: limits, old: "l.held+size > maxHeld || a.held+size > maxHeldEach", new: "l.held+size > maxHeld", run: "TestBodiesAreHeldWithinBounds"},
		mutation{name: "so many connections and no more", file: limits, old: "l.open > maxOpen ||", new: "", run: "TestAnAddressHasOnlySoManyConnections"},
		mutation{name: "of an address too", file: limits, old: "|| l.openBy[from] > maxOpenEach && !from.IsLoopback()", new: "", run: "TestAnAddressHasOnlySoManyConnections"},
		mutation{name: "few connections stay behind their answer", file: limits, old: "if len(l.lingering) >= maxLinger {", new: "if false {", run: "TestAFloodOfGarbageChangesNothing"},
		mutation{name: "what came before counts no more", file: take, old: "case before:", new: "case before && false:", run: "TestARepeatedRequestCountsOnce.*"},
		mutation{name: "what comes twice at once counts once", file: replays, old: "if busy == nil {\n\t\t\tbreak", new: "if true {\n\t\t\tbreak", run: "TestEqualOnesWaitForEachOther"},
		mutation{name: "what was not asked for may come again", file: take, old: "if runs, err = p.Ask(h.Config, list); err != nil {", new: "if runs, err = p.Ask(h.Config, list); err != nil && p.replay.keep(run.Delivery{Webhook: name, ID: proof.ID, Until: req.At.Add(time.Hour)}) == nil {", run: "TestWhatCannotBeTakenNowMayComeAgain"},
		mutation{name: "nobody looks like anybody", file: take, old: "case fault.KindOf(err) == fault.NotFound:", new: "case false:", run: "TestASenderMayWaitForItsRun"},
		mutation{name: "the log is not filled", file: "server/public_told.go", old: "now.Sub(s.at) < toldEvery", new: "now.Sub(s.at) < 0", run: "TestTheLogHearsOfACauseOnceAMinute"},
		mutation{name: "a broken certificate leaves the old one", file: tls, old: "\t\treturn c.current, nil\n\t}\n\tc.current, c.stamp", new: "\t\treturn nil, err\n\t}\n\tc.current, c.stamp", run: "TestTheListenerSpeaksTLS.*"},
	), in("3.4 deliveries", "state",
		mutation{name: "a delivery is forgotten in time", file: deliveries, old: "led, before = text, now.Before(until)", new: "led, before = text, !until.IsZero()", run: "TestADeliveryIsKnownForItsTime.*"},
		mutation{name: "old ones make room", file: deliveries, old: "case !now.Before(until):", new: "case false:", run: "TestOldDeliveriesAreForgotten.*"},
		mutation{name: "never too many", file: deliveries, old: "if len(live) >= maxDeliveries {", new: "if false {", run: "TestTooManyDeliveries.*"},
	), in("4 the queue", "app",
		mutation{name: "who waits does not wait twice", file: people, old: "if first := p.joins[v.key]; first != nil {", new: "if first := p.joins[v.key]; first != nil && false {", run: "TestWhoWaitsDoesNotWaitTwice"},
		mutation{name: "never two runs of one person at a time", file: people, old: "!v.ripe || p.busy[v.who] ||", new: "!v.ripe ||", run: "TestWhoWaitsDoesNotWaitTwice"},
		mutation{name: "a few at a time", file: people, old: "|| !v.wide && p.atWork >= maxVisits", new: "", run: "TestAFewAreSeenToAtATime.*"},
		mutation{name: "the queue has an end", file: people, old: "if len(p.waiting) >= maxWaiting {", new: "if false {", run: "TestAFullQueue.*"},
		mutation{name: "a source is read once a minute", file: people, old: "wait = max(wait, last.Add(wideEvery).Sub(v.at))", new: "_ = last", run: "TestASourceIsReadAtMostOnceAMinute.*"},
		mutation{name: "nothing begins behind the end", file: people, old: "\tif p.closed {\n\t\treturn asked{}, stopping()\n\t}\n", new: "", run: "TestTheEndLetsGoWhoWaits"},
		mutation{name: "secrets are checked at start and reload", file: public, old: "if problems := cfg.CheckPublic(); len(problems) > 0 {", new: "if problems := cfg.CheckPublic(); false {", run: "TestWebhooksThatCannotServe.*"},
	))
	for i := range list {
		list[i].beyond = why
	}
	return list
}

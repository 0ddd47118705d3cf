package main

// figures gives what keeps people out of metrics, and a failure from passing for a success.
func figures() []mutation {
	const why = "a history has no metrics"
	labels, runs := "server/metriclabels.go", "server/metricruns.go"
	list := in("5 metrics", "server",
		mutation{name: "whoever asks for a run chooses no label", file: labels, old: "if slices.Contains(triggers(), t) {", new: "if true {", run: "TestLabelsComeFromTheConfigurationAndFromTheProgram"},
		mutation{name: "a failure chooses no label", file: labels, old: "if slices.Contains(reasons(), word) {", new: "if true {", run: "TestLabelsComeFromTheConfigurationAndFromTheProgram"},
		mutation{name: "a hold chooses no label", file: labels, old: "if slices.Contains(run.Checks(), c) {", new: "if true {", run: "TestLabelsComeFromTheConfigurationAndFromTheProgram"},
		mutation{name: "a change chooses no label", file: runs, old: "c != nil && slices.Contains(ops(), t.Changes[i].Op)", new: "c != nil", run: "TestLabelsComeFromTheConfigurationAndFromTheProgram"},
		mutation{name: "a source is one of the configuration", file: runs, old: "if !slices.Contains(m.sources, s.Name) {", new: "if false {", run: "TestLabelsComeFromTheConfigurationAndFromTheProgram"},
		mutation{name: "a target is one of the configuration", file: runs, old: "if !slices.Contains(m.targets, t.Name) {", new: "if false {", run: "TestLabelsComeFromTheConfigurationAndFromTheProgram"},
		mutation{name: "changes that failed are no success", file: runs, old: "t.Summary.Failed == 0 && ", new: "", run: "TestARestartForgetsNeitherASuccessNorWhatWasHeld"},
		mutation{name: "a target that was not seen is no success", file: runs, old: "|| t.Error != \"\" {", new: "{", run: "TestARestartForgetsNeitherASuccessNorWhatWasHeld"},
	)
	for i := range list {
		list[i].beyond = why
	}
	return list
}

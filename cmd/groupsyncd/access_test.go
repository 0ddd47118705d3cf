package main

import "testing"

func TestNoCellOfAReviewIsAFormula(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"": "", "Ana": "Ana", "a=1": "a=1", "models/gpt-4": "models/gpt-4", "=1+1": "'=1+1", "+49": "'+49", "-x": "'-x", "@SUM(A1)": "'@SUM(A1)",
		"\t=1": "'\t=1", "\n=1": "'\n=1", "\r=1": "\ufffd=1", "|calc": "'|calc", "%x": "'%x", "Ü=1": "Ü=1",
	} {
		if got := inert(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}

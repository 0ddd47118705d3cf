package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"groupsyncd/internal/fault"
)

// Problem is one mistake, at its place in the file.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from one.
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error writes file:line:column: message, without the hint.
func (p Problem) Error() string {
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column) + ": " + p.Message
}

// Problems is everything that is wrong with a file, in the order of its lines.
type Problems []Problem

// Error writes one line for each problem, and its hint below it.
func (p Problems) Error() string {
	var b strings.Builder
	for i, problem := range p {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(problem.Error())
		if problem.Hint != "" {
			b.WriteString("\n    hint: ")
			b.WriteString(problem.Hint)
		}
	}
	return b.String()
}

// As makes the problems count as invalid input wherever faults are judged.
func (p Problems) As(target any) bool {
	e, ok := target.(**fault.Error)
	if !ok || len(p) == 0 {
		return false
	}
	*e = fault.New(fault.Invalid, "load configuration", p[0].File, errors.New(strconv.Itoa(len(p))+" problems"), "")
	return true
}

// sorted puts problems into the order of the file and drops repetitions, which
// aliases cause.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(p)
}

package run

import "time"

// Going is a run of everybody that goes on, and how far it is.
type Going struct {
	Run     string    `json:"run"`
	Mode    Mode      `json:"mode"`
	Trigger Trigger   `json:"trigger"`
	Started time.Time `json:"started"`
	// Steps say how far each part is that has begun, in the order in which they began.
	Steps []Step `json:"steps"`
}

// Step is how far one part of a run is: what is a plural noun, and Total zero where nobody
// knows how many there are.
type Step struct {
	Where string `json:"where"`
	What  string `json:"what"`
	Done  int    `json:"done"`
	Total int    `json:"total,omitempty"`
}

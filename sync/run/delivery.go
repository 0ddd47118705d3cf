package run

import "time"

// Delivery is something that a webhook brought, remembered so that it counts once.
type Delivery struct {
	// Webhook names it in the configuration; ID tells its deliveries apart.
	Webhook, ID string
	// Run is the run that it led to; empty: to none.
	Run string
	// Until is how long it is remembered, in whole seconds.
	Until time.Time
}

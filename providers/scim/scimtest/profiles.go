package scimtest

// What a server does with a filter that it does not know.
const (
	Refuse = "refuse" // 400 invalidFilter
	Zero   = "zero"   // 200 and nothing
	Ignore = "ignore" // 200 and everything
)

// Where a server shows members.
const (
	Everywhere = "everywhere"
	// Alone: in a single group, never in the list. ByName: in a single group, where they are
	// asked for by name. Never: by filters alone.
	Alone  = "alone"
	ByName = "by name"
	Never  = "never"
)

// Profile is how a server behaves.
type Profile struct {
	// Default and Cap are the size of a page without count, and the largest one.
	Default, Cap int
	// RefuseLarge answers a count above Cap with that status in place of a smaller page.
	RefuseLarge int
	// NoIndex refuses startIndex, and Cursor knows cursors (RFC 9865).
	NoIndex, Cursor bool
	// SaysCursor says so in ServiceProviderConfig.
	SaysCursor bool
	// Pages turns startIndex into the number of a page, as servers with pages below do.
	Pages bool
	// Total changes what totalResults says; nil: it is right. NoTotal leaves it out.
	Total   func(total, shown int) any
	NoTotal bool
	// Filters are the attributes that filters may name, as "Users userName".
	Filters []string
	// Unknown is what becomes of other filters: Refuse, Zero or Ignore.
	Unknown string
	// Members is where members are shown.
	Members string
	// ListMembers is how many members of a group the list shows at most; zero: all.
	ListMembers int
	// NoExclude refuses attributes and excludedAttributes.
	NoExclude bool
	// NoTypes leaves the type of members out; Refs gives $ref then.
	NoTypes, Refs bool
	// NoActive leaves active out.
	NoActive bool
	// UserGroups shows the groups of users; Indirect those above too.
	UserGroups, Indirect bool
	// ETags gives and understands versions of groups; StuckETags do not change with members.
	ETags, StuckETags bool
	// Discovery is the status of the documents of discovery; zero: they are given. Bare gives
	// arrays in place of a ListResponse.
	Discovery int
	Bare      bool
	// Endpoints are the addresses of users and groups as ResourceTypes gives them.
	Endpoints [2]string
	// Media is the type of answers; empty: application/scim+json.
	Media string
	// NoNesting refuses groups in groups, so that they are not shown.
	NoNesting bool
	// Hidden are users that the list leaves out, not a request for one.
	Hidden map[string]bool
	// HideDisabled leaves disabled users out of the list, not of a request for one.
	HideDisabled bool
	// OneRow shows one made-up entry in place of every list without a filter.
	OneRow bool
}

// Standard keeps to the RFCs.
func Standard() Profile {
	return Profile{Default: 100, Cap: 200, Members: Everywhere, Unknown: Refuse,
		Filters: []string{"Users id", "Users userName", "Users emails.value", "Users externalId", "Groups displayName", "Groups members.value"}}
}

// AWS is IAM Identity Center: no startIndex, 100 a page, members never shown.
func AWS() Profile {
	return Profile{Default: 100, Cap: 100, RefuseLarge: 400, NoIndex: true, Cursor: true, Members: Never, NoExclude: true, NoNesting: true, Unknown: Refuse,
		Filters: []string{"Users userName", "Users externalId", "Users groups.value", "Groups displayName", "Groups externalId"}, Discovery: 0}
}

// Keycloak is Keycloak 26.8: 100 a page, filters on attributes it does not map find nothing.
func Keycloak() Profile {
	return Profile{Default: 100, Cap: 100, Members: Everywhere, Unknown: Zero, Filters: []string{"Users userName", "Groups displayName"}, Media: "application/scim+json;charset=UTF-8"}
}

// Snowflake pages since 2026, and refuses filters it does not know.
func Snowflake() Profile {
	return Profile{Default: 100, Cap: 100, Members: Everywhere, Unknown: Refuse, Filters: []string{"Users userName", "Groups displayName"}, NoTypes: true, NoNesting: true, Media: "application/json"}
}

// OldSnowflake shows one made-up row without a filter, and nothing for filters it does not know.
func OldSnowflake() Profile {
	p := Snowflake()
	p.OneRow, p.Unknown = true, Zero
	return p
}

// Slack gives 10 entries unless it is asked for more, up to 1,000.
func Slack() Profile {
	return Profile{Default: 10, Cap: 1000, Members: Everywhere, Unknown: Refuse, Filters: []string{"Users userName", "Users emails.value", "Groups displayName"}, NoTypes: true, NoNesting: true, UserGroups: true, Media: "application/json; charset=utf-8"}
}

// OpenWebUI is the SCIM server of an Open WebUI before 0.12: counts above 100 are refused,
// and filters are for userName alone.
func OpenWebUI() Profile {
	return Profile{Default: 20, Cap: 100, RefuseLarge: 422, Members: Everywhere, Unknown: Ignore, Filters: []string{"Users userName"}, UserGroups: true, Indirect: true, NoNesting: true, Bare: true, Media: "application/json", NoExclude: false}
}

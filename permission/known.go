package permission

import (
	"slices"
	"strings"
)

// KnownKeys lists the leaves of Open WebUI's tree as of 0.12.4, sorted. A server may
// know more or fewer: the list serves to notice typing errors, never to refuse.
func KnownKeys() []string {
	tree := map[string]string{
		"workspace": "models knowledge prompts tools skills models_import models_export models_hidden prompts_import prompts_export" +
			" tools_import tools_export skills_import skills_export",
		"sharing": "models public_models knowledge public_knowledge prompts public_prompts tools public_tools skills" +
			" public_skills notes public_notes folders public_chats open_chats public_calendars",
		"access_grants": "allow_users allow_groups",
		"chat": "controls valves system_prompt params file_upload web_upload delete delete_message continue_response" +
			" regenerate_response rate_response edit share export import stt tts call multiple_models temporary temporary_enforced",
		"features": "api_keys notes channels encrypted_channels folders direct_tool_servers web_search image_generation code_interpreter" +
			" memories automations calendar webhooks",
		"settings": "interface",
	}
	var keys []string
	for category, leaves := range tree {
		for leaf := range strings.FieldsSeq(leaves) {
			keys = append(keys, category+"."+leaf)
		}
	}
	slices.Sort(keys)
	return keys
}

// FromEnvironment gives the key that one of Open WebUI's own USER_PERMISSIONS_…
// variables sets, as far as its name tells, in the spelling of the tree.
func FromEnvironment(variable string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(strings.ToUpper(variable), "USER_PERMISSIONS_")
	if !ok {
		return "", false
	}
	rest = strings.ToLower(rest)
	what := strings.TrimPrefix(rest, "workspace_")
	var candidates []string
	if thing, found := strings.CutSuffix(what, "_allow_public_sharing"); found {
		candidates = append(candidates, "sharing.public_"+thing, "sharing.public_"+thing+"s")
	}
	if thing, found := strings.CutSuffix(what, "_allow_open_sharing"); found {
		candidates = append(candidates, "sharing.open_"+thing+"s")
	}
	if thing, found := strings.CutSuffix(what, "_allow_sharing"); found {
		candidates = append(candidates, "sharing."+thing)
	}
	if thing, found := strings.CutSuffix(what, "_access"); found {
		candidates = append(candidates, "workspace."+thing)
	}
	for i, r := range rest {
		if r == '_' {
			candidates = append(candidates, rest[:i]+"."+rest[i+1:], rest[:i]+"."+strings.TrimPrefix(rest[i+1:], "user_"))
		}
	}
	known := KnownKeys()
	for _, c := range candidates {
		if _, found := slices.BinarySearch(known, c); found {
			return c, true
		}
	}
	return "", false
}

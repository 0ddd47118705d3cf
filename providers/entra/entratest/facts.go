package entratest

// Facts gives the properties of each type of Microsoft Graph that the source asks for and this
// server answers with, by the type's name in Microsoft's descriptions, so that they can be
// compared with those.
func Facts() map[string][]string {
	return map[string][]string{
		"User": {"id", "accountEnabled", "createdDateTime", "department", "displayName", "employeeId", "employeeOrgData", "givenName", "jobTitle", "mail", "mailNickname", "memberOf",
			"onPremisesExtensionAttributes", "onPremisesSamAccountName", "surname", "transitiveMemberOf", "userPrincipalName", "userType"},
		"Group":              {"id", "createdDateTime", "description", "displayName", "members", "owners", "visibility"},
		"ServicePrincipal":   {"id", "appId", "appRoleAssignedTo", "appRoles", "displayName"},
		"AppRole":            {"id", "allowedMemberTypes", "description", "displayName", "isEnabled", "origin", "value"},
		"AppRoleAssignment":  {"id", "appRoleId", "createdDateTime", "deletedDateTime", "principalDisplayName", "principalId", "principalType", "resourceDisplayName", "resourceId"},
		"Application":        {"id", "appId", "passwordCredentials"},
		"PasswordCredential": {"customKeyIdentifier", "displayName", "endDateTime", "hint", "keyId", "secretText", "startDateTime"},
	}
}

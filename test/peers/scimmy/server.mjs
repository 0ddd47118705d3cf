// A SCIM 2.0 server in memory, made of scimmy and scimmy-routers, for tests.
// node server.mjs PORT FILE-WITH-THE-TOKEN express|express5
//
// On Express 5 scimmy-routers loses count and startIndex: every page is the first 20 entries.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [port, file, web] = process.argv.slice(2);
const token = readFileSync(file, "utf8").trim();
const { default: express } = await import(web);

// keep makes the handlers of one type of resource over a map.
function keep(Type) {
	const all = new Map();
	Type.ingress((resource, data) => {
		const id = resource.id ?? randomUUID();
		if (resource.id && !all.has(id)) throw new SCIMMY.Types.Error(404, null, `there is no ${id}`);
		const now = new Date().toISOString();
		const before = all.get(id);
		const kept = { ...JSON.parse(JSON.stringify(data)), id, meta: { created: before?.meta.created ?? now, lastModified: now } };
		all.set(id, kept);
		return kept;
	});
	Type.egress((resource) => {
		if (!resource.id) {
			const list = [...all.values()];
			return resource.filter ? resource.filter.match(list) : list;
		}
		if (!all.has(resource.id)) throw new SCIMMY.Types.Error(404, null, `there is no ${resource.id}`);
		return all.get(resource.id);
	});
	Type.degress((resource) => {
		if (!all.delete(resource.id)) throw new SCIMMY.Types.Error(404, null, `there is no ${resource.id}`);
	});
	return SCIMMY.Resources.declare(Type);
}

keep(SCIMMY.Resources.User);
keep(SCIMMY.Resources.Group);

const app = express();
app.use("/scim/v2", new SCIMMYRouters({
	type: "bearer",
	handler: (request) => {
		if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("the token is not known");
		return "groupsyncd";
	},
}));
app.listen(Number(port), "127.0.0.1");

package plan

// ComputeClosely is Compute without the short way for groups that one person has nothing to
// do with.
func ComputeClosely(in *Input) *Plan { return compute(in, true) }

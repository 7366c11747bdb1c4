namespace RbdReplication.Csi.Page;

/// <summary>Settings of the page; each is a command-line option of the same name.</summary>
/// <param name="MaximumStreams">How many open pages are kept up to date at once.</param>
internal sealed record PageOptions(int MaximumStreams);

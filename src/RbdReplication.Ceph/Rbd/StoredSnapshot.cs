namespace RbdReplication.Ceph;

/// <summary>A snapshot that is no mirror snapshot, as librbd stores it: <see cref="StoredSnapshots"/>.</summary>
/// <param name="Id">Snapshot id.</param>
/// <param name="Name">Its name; of one that is kept for a clone what librbd has named it.</param>
/// <param name="IsProtected">It may have clones of the first format, which it does not count.</param>
/// <param name="Clones">How many of the second format it has.</param>
public sealed record StoredSnapshot(ulong Id, string Name, bool IsProtected, uint Clones);

using System.Text.Json.Nodes;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.CephTests.PersistentVolumes;

/// <summary>A volume group of a test's own that was made at another site, its object at the API server, and what the journal here holds of it.</summary>
public sealed class MappedGroup(RadosPool pool, string instanceId, string clusterId, params MappedImage[] images)
{
    public string Name { get; } = $"vgrcontent-{Guid.NewGuid()}";

    public string Uuid { get; } = Guid.NewGuid().ToString();

    public string Handle => HandleOf(Uuid);

    public IEnumerable<string> Members => images.Select(image => HandleOf(image.Reservation.Uuid));

    private string HandleOf(string uuid) => new VolumeHandle(clusterId, 2, uuid).ToString();

    public JsonObject Json() => GroupObject.Json(Name, Handle, Members);

    public Task<IReadOnlyDictionary<string, string>?> ReadObjectAsync() => pool.ListOmapAsync(GroupKeys.GroupObject(Uuid), "", CancellationToken.None);

    public async Task<string?> ReadDirectoryEntryAsync() =>
        (await pool.ReadOmapAsync(GroupKeys.DirectoryObject(instanceId), [GroupKeys.DirectoryKey(Name)], CancellationToken.None))?.GetValueOrDefault(GroupKeys.DirectoryKey(Name));

    public Task PutObjectAsync(params (string Key, string Value)[] entries) => pool.WriteAsync(
        GroupKeys.GroupObject(Uuid), new ObjectWrite().Create(exclusive: false).SetOmap([.. entries.Select(e => KeyValuePair.Create(e.Key, e.Value))]), CancellationToken.None);

    public Task PutDirectoryEntryAsync(string value) =>
        pool.WriteAsync(GroupKeys.DirectoryObject(instanceId), new ObjectWrite().SetOmap(GroupKeys.DirectoryKey(Name), value), CancellationToken.None);

    public Task RemoveMemberAsync(MappedImage image) =>
        pool.WriteAsync(GroupKeys.GroupObject(Uuid), new ObjectWrite().RemoveOmap([HandleOf(image.Reservation.Uuid)]), CancellationToken.None);

    /// <summary>Everything is as ceph-csi's generator leaves it, and no lock of ours.</summary>
    public async Task AssertCompleteAsync(string prefix = "csi-vol-group-")
    {
        Assert.Equal(Uuid, await ReadDirectoryEntryAsync());
        var entries = (await ReadObjectAsync())!;
        Assert.Equal(Members.Concat(["csi.volname", "csi.groupname", "csi.creationtime"]).Order(StringComparer.Ordinal), entries.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((Name, prefix + Uuid), (entries["csi.volname"], entries["csi.groupname"]));
        Assert.All(Members, member => Assert.Equal("", entries[member]));
        Assert.Matches(@"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\z", entries["csi.creationtime"]);
        // It is given back after the last entry.
        await Eventually.TrueAsync(async () => await pool.ListOmapAsync("rbd-replication.volume." + Uuid, "", CancellationToken.None) is null, "the group's lock is given back");
    }

    public async Task AssertAbsentAsync()
    {
        Assert.Null(await ReadObjectAsync());
        Assert.Null(await ReadDirectoryEntryAsync());
    }
}

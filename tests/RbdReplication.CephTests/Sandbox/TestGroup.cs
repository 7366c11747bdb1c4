using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;
using RbdReplication.Csi.Protocol.Groups;
using GroupController = RbdReplication.Csi.Protocol.Groups.Controller;
using ReplicationDestination = RbdReplication.Csi.Protocol.ReplicationDestination;
using VolumeGroup = RbdReplication.Csi.Protocol.Groups.VolumeGroup;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>A volume group of a test's own: the calls that a controller makes for it, and what Ceph has of it.</summary>
public sealed class TestGroup(Site site, bool inTenant = false)
{
    private const string Directory = "csi.groups.default";

    public string Name { get; } = $"vgrcontent-{Guid.NewGuid()}";

    private ServerProcess Server => site.Server;

    public RadosPool Pool => inTenant ? site.Tenant : site.Pool;

    public string ClusterId => inTenant ? "tenant" : site.Name;

    /// <summary>The uuid that a new group of this name gets.</summary>
    public string NewUuid => GroupUuid.For(Pool, Name);

    public string DirectoryKey => "csi.volume.group." + Name;

    public Dictionary<string, string> Parameters => new() { ["clusterID"] = ClusterId, ["pool"] = Pool.Name };

    public GroupController.ControllerClient Client => new(Server.Channel);

    public string HandleOf(string uuid) => new VolumeHandle(ClusterId, Pool.Id, uuid).ToString();

    public static string[] Ids(IEnumerable<TestVolume> volumes) => [.. volumes.Select(volume => volume.Handle.ToString())];

    /// <summary>The same group, called through another server.</summary>
    public async Task<VolumeGroup> CreateAsync(ServerProcess server, params TestVolume[] volumes) =>
        (await new GroupController.ControllerClient(server.Channel).CreateVolumeGroupAsync(CreateRequest(Ids(volumes)))).VolumeGroup;

    public Task<VolumeGroup> CreateAsync(params TestVolume[] volumes) => CreateAsync(Server, volumes);

    public async Task<VolumeGroup> CreateAsync(IEnumerable<string> ids, params (string Key, string Value)[] more) =>
        (await Client.CreateVolumeGroupAsync(CreateRequest(ids, more))).VolumeGroup;

    private CreateVolumeGroupRequest CreateRequest(IEnumerable<string> ids, params (string Key, string Value)[] more)
    {
        var request = new CreateVolumeGroupRequest { Name = Name, VolumeIds = { ids }, Secrets = { site.Secrets }, Parameters = { Parameters } };
        foreach (var (key, value) in more)
            request.Parameters[key] = value;
        return request;
    }

    public Task<VolumeGroup> ModifyAsync(string group, params TestVolume[] volumes) => ModifyAsync(group, Ids(volumes));

    public async Task<VolumeGroup> ModifyAsync(string group, IEnumerable<string> ids) =>
        (await Client.ModifyVolumeGroupMembershipAsync(new() { VolumeGroupId = group, VolumeIds = { ids }, Secrets = { site.Secrets } })).VolumeGroup;

    public async Task DeleteAsync(string group) => await Client.DeleteVolumeGroupAsync(new() { VolumeGroupId = group, Secrets = { site.Secrets } });

    public async Task<VolumeGroup> GetAsync(string group) =>
        (await Client.ControllerGetVolumeGroupAsync(new() { VolumeGroupId = group, Secrets = { site.Secrets } })).VolumeGroup;

    public async Task<ReplicationDestination> DestinationAsync(string group) =>
        (await Server.Replication.GetReplicationDestinationInfoAsync(new() { ReplicationSource = RpcArguments.Group(group), Secrets = { site.Secrets } })).ReplicationDestination;

    /// <summary>Makes a call of replication for the group.</summary>
    public Task CallAsync(string rpc, string group, bool force = false, params (string Key, string Value)[] parameters) =>
        CallAsync(Server, rpc, group, force, parameters);

    /// <summary>The same, through another server.</summary>
    public Task CallAsync(ServerProcess server, string rpc, string group, bool force = false, params (string Key, string Value)[] parameters) => Rpc.CallAsync(
        server.Replication, rpc,
        new() { Source = RpcArguments.Group(group), Secrets = site.Secrets, Force = force, Parameters = parameters.ToDictionary(pair => pair.Key, pair => pair.Value) });

    /// <summary>Repeats it as the controller does, until it succeeds.</summary>
    public Task RetryAsync(string rpc, string group) => TestVolume.RetryAsync(() => CallAsync(rpc, group), $"{rpc} succeeds at {site}");

    public async Task<bool> ResyncAsync(string group, bool force = false) =>
        (await Server.Replication.ResyncVolumeAsync(new() { ReplicationSource = RpcArguments.Group(group), Secrets = { site.Secrets }, Force = force })).Ready;

    public async Task<GetVolumeReplicationInfoResponse> GetInfoAsync(string group) =>
        await Server.Replication.GetVolumeReplicationInfoAsync(new() { ReplicationSource = RpcArguments.Group(group), Secrets = { site.Secrets } });

    /// <summary>What this site has written down of its replication; null if nothing.</summary>
    public async Task<GroupState?> StateAsync(string uuid) => await new GroupStateObject(Pool, uuid).ReadAsync(CancellationToken.None);

    /// <summary>The entries of an object of the group's pool; null if there is no such object.</summary>
    public Task<IReadOnlyDictionary<string, string>?> OmapAsync(string objectName) => Pool.ListOmapAsync(objectName, "", CancellationToken.None);

    public Task<IReadOnlyDictionary<string, string>?> ObjectAsync(string uuid) => OmapAsync("csi.volume.group." + uuid);

    /// <summary>What the directory has for the group's name.</summary>
    public async Task<string?> ListedAsync() => (await Pool.ReadOmapAsync(Directory, [DirectoryKey], CancellationToken.None))?.GetValueOrDefault(DirectoryKey);

    public Task WriteDirectoryAsync(string uuid) => Pool.WriteAsync(Directory, new ObjectWrite().SetOmap(DirectoryKey, uuid), CancellationToken.None);

    public Task RemoveFromDirectoryAsync() => Pool.WriteAsync(Directory, new ObjectWrite().RemoveOmap([DirectoryKey]), CancellationToken.None);

    public Task WriteObjectAsync(string uuid, ObjectWrite write) => Pool.WriteAsync("csi.volume.group." + uuid, write, CancellationToken.None);

    /// <summary>Names of the images that the rbd tool lists in an RBD group.</summary>
    public async Task<string[]> ImagesAsync(string groupName) =>
        [.. (await site.RbdAsync("group", "image", "list", Pool.SpecOf(groupName))).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Trim().Split('/')[^1]).Order(StringComparer.Ordinal)];

    public async Task<bool> HasRbdGroupAsync(string groupName) =>
        (await site.RbdAsync("group", "list", Pool.SpecOf("").TrimEnd('/'))).Split('\n').Contains(groupName);

    public RbdGroup RbdGroup(string uuid) => new(Pool, "csi-vol-group-" + uuid);

    /// <summary>Moves a member's image to the trash. 20.2 moves none that is in an RBD group: there it is taken out before, and the journal alone has it then.</summary>
    public async Task MoveToTrashAsync(TestVolume volume, string uuid)
    {
        var spec = Pool.SpecOf(volume.ImageName);
        try
        {
            await site.RbdAsync("trash", "mv", spec);
        }
        catch (InvalidOperationException e) when (e.Message.Contains("image belongs to a group", StringComparison.Ordinal))
        {
            await site.RbdAsync("group", "image", "remove", Pool.SpecOf("csi-vol-group-" + uuid), spec);
            await site.RbdAsync("trash", "mv", spec);
        }
    }

    /// <summary>Makes a group as ceph-csi does, byte for byte, and returns its handle.</summary>
    public async Task<string> MakeAsDriverAsync(params TestVolume[] volumes)
    {
        var uuid = Guid.NewGuid().ToString();
        await WriteObjectAsync(uuid, new ObjectWrite().Create(exclusive: true));
        await WriteDirectoryAsync(uuid);
        await WriteObjectAsync(uuid, new ObjectWrite().SetOmap([
            new("csi.volname", Name), new("csi.groupname", "csi-vol-group-" + uuid), new("csi.creationtime", "2026-07-01T10:00:00.123456789Z"),
        ]));
        await RbdGroup(uuid).CreateAsync(CancellationToken.None);
        foreach (var volume in volumes)
        {
            await RbdGroup(uuid).AddImageAsync(volume.ImageName, CancellationToken.None);
            await WriteObjectAsync(uuid, new ObjectWrite().SetOmap(volume.Handle.ToString(), ""));
        }
        return HandleOf(uuid);
    }

    /// <summary>That journal and RBD group have these members and nothing else, and nothing of ours is left.</summary>
    public async Task AssertMembersAsync(string uuid, params TestVolume[] volumes) => await AssertMembersAsync(uuid, Ids(volumes), volumes);

    public async Task AssertMembersAsync(string uuid, string[] ids, TestVolume[] volumes)
    {
        Assert.Equal(uuid, await ListedAsync());
        var entries = await ObjectAsync(uuid);
        Assert.NotNull(entries);
        Assert.Equal(ids.Concat(["csi.volname", "csi.groupname", "csi.creationtime"]).Order(StringComparer.Ordinal), entries.Keys.Order(StringComparer.Ordinal));
        Assert.All(ids, id => Assert.Equal("", entries[id]));
        Assert.Equal(Name, entries["csi.volname"]);
        Assert.Matches(@"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\z", entries["csi.creationtime"]);
        Assert.Equal(volumes.Select(volume => volume.ImageName).Order(StringComparer.Ordinal), await ImagesAsync(entries["csi.groupname"]));
        await AssertUnlockedAsync(uuid);
    }

    /// <summary>That nothing is left of the group.</summary>
    public async Task AssertGoneAsync(string uuid)
    {
        Assert.Null(await ListedAsync());
        Assert.Null(await ObjectAsync(uuid));
        Assert.False(await HasRbdGroupAsync("csi-vol-group-" + uuid));
        await AssertUnlockedAsync(uuid);
    }

    private async Task AssertUnlockedAsync(string uuid) => Assert.Null(await OmapAsync("rbd-replication.volume." + uuid));

    /// <summary>The code and message that a call fails with.</summary>
    public static async Task<string> RefusedAsync(StatusCode code, Func<Task> call)
    {
        var status = await TestVolume.FailureOfAsync(call);
        Assert.True(code == status.StatusCode, $"{status}");
        return status.Detail;
    }
}

using Google.Protobuf.Collections;
using Grpc.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>What a test puts into a request, whichever call it is.</summary>
public sealed record RpcArguments
{
    public ReplicationSource? Source { get; init; }

    /// <summary>The deprecated field 1, all that sidecars up to v0.8.0 send.</summary>
    public string OldVolumeId { get; init; } = "";

    public IReadOnlyDictionary<string, string> Secrets { get; init; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>();

    public bool Force { get; init; }

    public static ReplicationSource Volume(string handle) => new() { Volume = new() { VolumeId = handle } };

    public static ReplicationSource Group(string handle) => new() { Volumegroup = new() { VolumeGroupId = handle } };
}

/// <summary>The calls of <c>replication.Controller</c> by name, for what holds for all of them.</summary>
public static class Rpc
{
    public const string Enable = "EnableVolumeReplication";
    public const string Disable = "DisableVolumeReplication";
    public const string Promote = "PromoteVolume";
    public const string Demote = "DemoteVolume";
    public const string Resync = "ResyncVolume";
    public const string GetInfo = "GetVolumeReplicationInfo";
    public const string GetDestination = "GetReplicationDestinationInfo";

    public static IReadOnlyList<string> All { get; } = [Enable, Disable, Promote, Demote, Resync, GetInfo, GetDestination];

    public static IReadOnlyList<string> WithParameters { get; } = [Enable, Disable, Promote, Demote, Resync];

    public static IReadOnlyList<string> WithOldVolumeId { get; } = [Enable, Disable, Promote, Demote, Resync, GetInfo];

    /// <summary>Makes the call; it fails with <see cref="RpcException"/>.</summary>
    public static async Task CallAsync(Controller.ControllerClient client, string name, RpcArguments a, CallOptions options = default)
    {
#pragma warning disable CS0612
        switch (name)
        {
            case Enable:
                await client.EnableVolumeReplicationAsync(
                    new() { VolumeId = a.OldVolumeId, ReplicationSource = a.Source, Secrets = { Map(a.Secrets) }, Parameters = { Map(a.Parameters) } }, options);
                break;
            case Disable:
                await client.DisableVolumeReplicationAsync(
                    new() { VolumeId = a.OldVolumeId, ReplicationSource = a.Source, Secrets = { Map(a.Secrets) }, Parameters = { Map(a.Parameters) } }, options);
                break;
            case Promote:
                await client.PromoteVolumeAsync(
                    new() { VolumeId = a.OldVolumeId, ReplicationSource = a.Source, Secrets = { Map(a.Secrets) }, Parameters = { Map(a.Parameters) }, Force = a.Force }, options);
                break;
            case Demote:
                await client.DemoteVolumeAsync(
                    new() { VolumeId = a.OldVolumeId, ReplicationSource = a.Source, Secrets = { Map(a.Secrets) }, Parameters = { Map(a.Parameters) }, Force = a.Force }, options);
                break;
            case Resync:
                await client.ResyncVolumeAsync(
                    new() { VolumeId = a.OldVolumeId, ReplicationSource = a.Source, Secrets = { Map(a.Secrets) }, Parameters = { Map(a.Parameters) }, Force = a.Force }, options);
                break;
            case GetInfo:
                await client.GetVolumeReplicationInfoAsync(new() { VolumeId = a.OldVolumeId, ReplicationSource = a.Source, Secrets = { Map(a.Secrets) } }, options);
                break;
            case GetDestination:
                await client.GetReplicationDestinationInfoAsync(new() { ReplicationSource = a.Source, Secrets = { Map(a.Secrets) } }, options);
                break;
            default:
                throw new ArgumentException($"there is no call {name}", nameof(name));
        }
#pragma warning restore CS0612
    }

    /// <summary>The status that a call ends with.</summary>
    public static async Task<Status> StatusAsync(Controller.ControllerClient client, string name, RpcArguments arguments, CallOptions options = default)
    {
        try
        {
            await CallAsync(client, name, arguments, options);
            return Status.DefaultSuccess;
        }
        catch (RpcException e)
        {
            return e.Status;
        }
    }

    /// <summary>The code that a call ends with.</summary>
    public static async Task<StatusCode> CodeAsync(Func<Task> call)
    {
        try
        {
            await call();
            return StatusCode.OK;
        }
        catch (RpcException e)
        {
            return e.StatusCode;
        }
    }

    private static MapField<string, string> Map(IReadOnlyDictionary<string, string> values) => new() { new Dictionary<string, string>(values) };
}

using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Relocation;

/// <summary>
/// Has a server take generations of a group, and hears what the replication info tells of them. The shortest schedule is a minute, which is rare for a
/// checker. So a generation is made due: the time of the last is taken out of the group's state, and the promotion is repeated as the controller
/// does, upon which the server looks at once. All that follows is the server's own.
/// </summary>
internal sealed class GenerationRequests(Site site, ReplicatedGroup group, Action<string> log)
{
    /// <summary>The shortest schedule, as a class has it.</summary>
    public static readonly (string, string) EachMinute = ("schedulingInterval", "1m");

    private readonly TestGroup _group = group.At(site);

    /// <summary>The latest instant that was told to be at the peer.</summary>
    public DateTimeOffset Told { get; private set; } = DateTimeOffset.MinValue;

    /// <summary>The words with it.</summary>
    public string Last { get; private set; } = "none";

    /// <summary>Makes some due, now and then.</summary>
    public async Task AskAsync(Random random, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await MakeDueAsync();
            await Task.Delay(random.Next(300, 4000), cancellationToken).ContinueWith(static _ => { }, TaskScheduler.Default);
        }
    }

    /// <summary>Makes one due until it has its number; or so often that something else must be in the way.</summary>
    public async Task BeginAsync()
    {
        var before = await NumberAsync();
        for (var i = 0; i < 10; i++)
        {
            // One that is being taken meanwhile writes down when it was begun, and then none is due.
            await MakeDueAsync();
            for (var j = 0; j < 10; j++)
            {
                if (await NumberAsync() != before)
                    return;
                await Task.Delay(20);
            }
        }
    }

    private async Task<long> NumberAsync() => (await _group.StateAsync(_group.NewUuid))!.Generation;

    private async Task MakeDueAsync()
    {
        try
        {
            await _group.Pool.WriteAsync(GroupStateKeys.ObjectOf(_group.NewUuid), new ObjectWrite().RemoveOmap([GroupStateKeys.TakenAt]), CancellationToken.None);
            await group.CallAsync(site, Rpc.Promote, parameters: EachMinute);
        }
        catch (RpcException e) when (IsOfFaults(e))
        {
        }
    }

    /// <summary>Asks for the info over and over.</summary>
    public async Task WatchAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var info = await _group.GetInfoAsync(group.HandleAt(site));
                if (info.LastSyncTime?.ToDateTimeOffset() is { } told && told > Told)
                {
                    (Told, Last) = (told, info.StatusMessage);
                    log($"told: {Last}");
                }
            }
            catch (RpcException e) when (IsOfFaults(e) || e.StatusCode == StatusCode.NotFound)
            {
            }
            await Task.Delay(200, cancellationToken).ContinueWith(static _ => { }, TaskScheduler.Default);
        }
    }

    // What is never right for a group that is primary, and no bug, is not among them.
    private static bool IsOfFaults(RpcException e) =>
        e.StatusCode is StatusCode.Unavailable or StatusCode.Aborted or StatusCode.DeadlineExceeded or StatusCode.Internal && !Eventually.IsBug(e);
}

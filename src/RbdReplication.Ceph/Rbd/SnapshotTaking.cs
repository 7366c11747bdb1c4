using System.Text.Json;

namespace RbdReplication.Ceph;

/// <summary>What the executable does as a <see cref="SnapshotProcess"/>: it reads orders from its standard input and writes answers, until that is closed.</summary>
public static class SnapshotTaking
{
    /// <summary>Whether these are the arguments of such a process.</summary>
    public static bool IsAskedFor(string[] arguments) => arguments is [SnapshotProcess.Argument];

    /// <summary>Takes mirror snapshots until the input ends and all are taken.</summary>
    /// <returns>Exit status.</returns>
    public static async Task<int> RunAsync()
    {
        if (await Console.In.ReadLineAsync().ConfigureAwait(false) is not { } first)
            return 0;
        var connection = JsonSerializer.Deserialize(first, SnapshotLines.Default.SnapshotConnection)!;
        Task<RadosCluster>? cluster = null;
        List<Task> taking = [];
        while (await Console.In.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            if (cluster is null or { IsFaulted: true })
                cluster = ConnectAsync(connection);
            taking.RemoveAll(task => task.IsCompleted);
            taking.Add(AnswerAsync(JsonSerializer.Deserialize(line, SnapshotLines.Default.SnapshotOrder)!, cluster, (long)connection.Client));
        }
        await Task.WhenAll(taking).ConfigureAwait(false);
        return 0;
    }

    private static Task<RadosCluster> ConnectAsync(SnapshotConnection to) => RadosCluster.ConnectAsync(
        new RadosConnectionOptions
        {
            Monitors = MonitorList.Parse([to.Monitors]),
            User = to.User,
            Key = CephKey.TryParse(to.Key)!,
            ConnectTimeout = to.ConnectTimeout,
            OperationTimeout = to.OperationTimeout,
        }, CancellationToken.None);

    private static async Task AnswerAsync(SnapshotOrder order, Task<RadosCluster> cluster, long client)
    {
        var answer = new SnapshotAnswer(order.Number);
        try
        {
            await TakeAsync(order, await cluster.ConfigureAwait(false), client).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            answer = new(order.Number, e.Errno, e.Function, e.Detail);
        }
        // One call for a whole line: others are written at the same time.
        Console.Out.Write(JsonSerializer.Serialize(answer, SnapshotLines.Default.SnapshotAnswer) + '\n');
    }

    private static async Task TakeAsync(SnapshotOrder order, RadosCluster cluster, long client)
    {
        await using var pool = await cluster.OpenPoolAsync(order.PoolId, order.RadosNamespace, CancellationToken.None).ConfigureAwait(false);
        await using var image = await RbdImage.OpenByIdAsync(pool, order.ImageId, readOnly: false, CancellationToken.None).ConfigureAwait(false);
        await SnapshotTurn.AwaitAsync(image, [(long)cluster.InstanceId, client], CancellationToken.None).ConfigureAwait(false);
        await image.Mirroring.CreateSnapshotAsync(CancellationToken.None).ConfigureAwait(false);
    }
}

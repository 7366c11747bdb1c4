using System.Text.Json;

namespace RbdReplication.Ceph;

/// <summary>What the executable does as an <see cref="ApartProcess"/>: it reads orders from its standard input and writes answers, until that is closed.</summary>
public static class ApartProgram
{
    /// <summary>Whether these are the arguments of such a process.</summary>
    public static bool IsAskedFor(string[] arguments) => ApartWork.IsAskedFor(arguments);

    /// <summary>Does what it is ordered until the input ends and all is done, or an image cannot be closed for too long.</summary>
    /// <returns>Exit status.</returns>
    public static async Task<int> RunAsync()
    {
        if (await Console.In.ReadLineAsync().ConfigureAwait(false) is not { } first)
            return 0;
        var connection = JsonSerializer.Deserialize(first, ApartLines.Default.ApartConnection)!;
        Task<RadosCluster>? cluster = null;
        List<Task> running = [];
        var hanging = new HangingImages();
        while (await ReadOrderAsync(hanging.TooLong).ConfigureAwait(false) is { } line)
        {
            if (cluster is null or { IsFaulted: true })
                cluster = ConnectAsync(connection);
            running.RemoveAll(task => task.IsCompleted);
            running.Add(AnswerAsync(JsonSerializer.Deserialize(line, ApartLines.Default.ApartOrder)!, cluster, (long)connection.Client, hanging));
        }
        await Task.WhenAll(running).ConfigureAwait(false);
        await Task.WhenAny(hanging.ClosedAsync(), hanging.TooLong).ConfigureAwait(false);
        return 0;
    }

    private static async Task<string?> ReadOrderAsync(Task ending)
    {
        // Reading from the console keeps a thread until a line comes, whatever it is called.
        var line = Task.Factory.StartNew<string?>(Console.In.ReadLine, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return await Task.WhenAny(line, ending).ConfigureAwait(false) == line ? await line.ConfigureAwait(false) : null;
    }

    private static Task<RadosCluster> ConnectAsync(ApartConnection to) => RadosCluster.ConnectAsync(
        new RadosConnectionOptions
        {
            Monitors = MonitorList.Parse([to.Monitors]),
            User = to.User,
            Key = CephKey.TryParse(to.Key)!,
            ConnectTimeout = to.ConnectTimeout,
            OperationTimeout = to.OperationTimeout,
        }, CancellationToken.None);

    private static async Task AnswerAsync(ApartOrder order, Task<RadosCluster> cluster, long client, HangingImages hanging)
    {
        ApartAnswer answer;
        try
        {
            answer = await AnswerAsync(order, await cluster.ConfigureAwait(false), client, hanging).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            answer = new(order.Number, e.Errno, e.Function, e.Detail);
        }
        // One call for a whole line: others are written at the same time.
        Console.Out.Write(JsonSerializer.Serialize(answer, ApartLines.Default.ApartAnswer) + '\n');
    }

    private static async Task<ApartAnswer> AnswerAsync(ApartOrder order, RadosCluster cluster, long client, HangingImages hanging)
    {
        var pool = await cluster.OpenPoolAsync(order.PoolId, order.RadosNamespace, CancellationToken.None).ConfigureAwait(false);
        try
        {
            return order.Generation is { } generation
                ? await TakeGenerationAsync(order, generation, pool, hanging).ConfigureAwait(false)
                : await TakeMirrorSnapshotAsync(order, pool, client).ConfigureAwait(false);
        }
        finally
        {
            // Not waited for: an image that hangs keeps it open.
            pool.Release();
        }
    }

    private static async Task<ApartAnswer> TakeMirrorSnapshotAsync(ApartOrder order, RadosPool pool, long client)
    {
        await using var image = await RbdImage.OpenByIdAsync(pool, order.ImageIds[0], readOnly: false, CancellationToken.None).ConfigureAwait(false);
        await SnapshotTurn.AwaitAsync(image, [(long)pool.Cluster.InstanceId, client], CancellationToken.None).ConfigureAwait(false);
        await image.Mirroring.CreateSnapshotAsync(CancellationToken.None).ConfigureAwait(false);
        return new(order.Number);
    }

    private static async Task<ApartAnswer> TakeGenerationAsync(ApartOrder order, GenerationOrder generation, RadosPool pool, HangingImages hanging)
    {
        if (hanging.FirstOf(pool, order.ImageIds) is { } open)
        {
            return new(
                order.Number, Errno.EBUSY, ApartWork.Generations.Function, "an attempt before this one still waits for the lock of the image; retry",
                new GenerationAnswer(GenerationResult.Failed, TimeSpan.Zero, 0, 0, open));
        }
        var run = new GenerationRun(pool, order.ImageIds, generation.SnapshotName, generation.MaximumHold);
        var outcome = await run.RunAsync(CancellationToken.None).ConfigureAwait(false);
        hanging.Add(pool, await run.CloseAsync().ConfigureAwait(false));
        return new(
            order.Number, outcome.Failure?.Errno ?? 0, outcome.Failure?.Function ?? "", outcome.Failure?.Detail,
            new GenerationAnswer(outcome.Result, outcome.Held, outcome.Attempts, outcome.Lost, outcome.ImageId));
    }
}

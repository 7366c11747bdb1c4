namespace RbdReplication.Tests.Kubernetes;

/// <summary>Waiting for conditions. The limit only ends a test that would hang.</summary>
public static class Until
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task TrueAsync(Func<bool> condition, string what)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (!condition())
        {
            if (limit.IsCancellationRequested)
                Assert.Fail($"never happened: {what}");
            await Task.Delay(2);
        }
    }

    public static async Task<T> EndsAsync<T>(Task<T> task) => await task.WaitAsync(Limit);

    public static async Task EndsAsync(Task task) => await task.WaitAsync(Limit);
}

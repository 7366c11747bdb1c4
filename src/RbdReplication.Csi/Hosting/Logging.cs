using Microsoft.Extensions.Logging.Console;

namespace RbdReplication.Csi.Hosting;

/// <summary>Log output of the long-running commands: stderr, one line a message.</summary>
internal static class Logging
{
    public static void Configure(ILoggingBuilder logging, LogLevel level, bool json)
    {
        logging.ClearProviders();
        logging.SetMinimumLevel(level);
        // The frameworks' own messages repeat ours or are of no use to an admin.
        var frameworks = level <= LogLevel.Debug ? level : LogLevel.Warning;
        logging.AddFilter("Microsoft", frameworks);
        // What keeps a command from starting is one line on stderr, which the command writes.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level <= LogLevel.Debug ? level : LogLevel.None);
        logging.AddFilter("Grpc", frameworks);
        // It calls a request that cannot be read an error, with a stack trace each; CallGuard has a line for them.
        logging.AddFilter("Grpc.AspNetCore.Server.ServerCallHandler", level <= LogLevel.Debug ? level : LogLevel.Critical);
        if (json)
            logging.AddJsonConsole(static format =>
            {
                format.UseUtcTimestamp = true;
                format.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
            });
        else
            logging.AddSimpleConsole(static format =>
            {
                format.SingleLine = true;
                format.UseUtcTimestamp = true;
                format.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
                format.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        logging.Services.Configure<ConsoleLoggerOptions>(static console =>
        {
            console.LogToStandardErrorThreshold = LogLevel.Trace;
            // A log that nobody takes must not hold up calls. What was dropped is counted in the log once it is taken again.
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
    }
}
